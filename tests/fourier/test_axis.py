"""One axis: transform lengths and windows, from their definitions."""

from math import ceil

import pytest

from tinyfft.fourier.axis import Axis, AxisPlan, candidates
from tinyfft.fourier.lengths import next_fast_length


@pytest.mark.parametrize(
    ("size", "kernel", "padding", "needed"),
    [(32, 7, 3, 35), (16, 5, 2, 18), (32, 11, 5, 40), (32, 7, 0, 32), (5, 5, 0, 5), (1, 1, 0, 1), (3, 2, 6, 14)],
)
def test_both_paddings_share_one_gap_of_zeros(size, kernel, padding, needed):
    whole = candidates(Axis(size, kernel, 1, padding, padding))[0]
    assert next_fast_length(needed) == whole.N


def test_a_stride_divides_the_length():
    for stride in (1, 2, 3, 4):
        whole = candidates(Axis(48, 12, stride, 4, 4))[0]
        assert next_fast_length(ceil((48 + 4) / stride)) == whole.N


def test_unequal_padding_needs_the_larger_one():
    assert candidates(Axis(16, 4, 1, 1, 2))[0].N == 18
    assert candidates(Axis(16, 4, 1, 2, 1))[0].N == 18


@pytest.mark.parametrize(
    "axis",
    [
        Axis(10, 3),
        Axis(10, 3, 3, 2, 2),
        Axis(11, 2, 3),
        Axis(7, 7),
        Axis(9, 4, 2, 1, 2),
        Axis(3, 2, 1, 5, 5),
        Axis(1, 1),
    ],
)
@pytest.mark.parametrize("tile", [None, 1, 3])
def test_windows_read_every_row_that_a_tap_reads_and_no_other(axis, tile):
    read = {axis.stride * o + u - axis.before for o in range(axis.out) for u in range(axis.kernel)} & set(
        range(axis.size)
    )
    axis_plan = candidates(axis, tile)[0]
    window = axis_plan.windows["x"]
    cuts = [window.cut(t, r) for t in range(window.tiles) for r in range(window.phases)]
    rows = [row for plane, _ in cuts for row in range(axis.size)[plane]]
    assert set(rows) >= read
    if tile is None:
        assert len(rows) == len(set(rows))
        assert axis_plan.covers == (set(rows) == set(range(axis.size)))
    for plane, line in cuts:
        assert len(range(axis.size)[plane]) == len(line)
        assert all(0 <= point < axis_plan.N for point in line)


def test_axis_plan_counts_the_last_cut_tile():
    assert AxisPlan(Axis(20, 3), 10, 8).tiles == 3
