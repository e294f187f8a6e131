"""Fast lengths, by hand."""

from tinyfft.fourier.lengths import factorise, is_fast, next_fast_length


def test_fast_lengths():
    assert [N for N in range(1, 30) if is_fast(N)] == [
        *range(1, 11), 12, 14, 15, 16, 18, 20, 21, 24, 25, 27, 28
    ]  # fmt: skip
    assert next_fast_length(37) == 40
    assert factorise(36) == [2, 2, 3, 3]
