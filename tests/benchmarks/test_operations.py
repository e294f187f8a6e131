"""Counts of operations: checked by hand, and the crossing of the two methods."""

from benchmarks import operations


def test_direct_operations_are_the_sums():
    row = operations.count(7, "valid")
    assert row["direct"] == 2 * 128 * 256 * 96 * 26 * 26 * 7 * 7
    assert operations.count(7, "same")["direct"] == 2 * 128 * 256 * 96 * 32 * 32 * 7 * 7


def test_products_are_four_operations_a_pixel_and_pair_of_maps():
    row = operations.count(7, "valid")
    assert row["lengths"] == (32, 32)
    assert row["products"] == 8 * (32 * 32 // 2 + 2) * 128 * 96 * 256
    assert row["products"] < row["fft"] < 1.2 * row["products"]


def test_the_table_has_every_size():
    rows = [operations.count(k, padding) for padding in operations.PADDINGS for k in operations.KERNEL_SIZES]
    *_, last = operations.markdown({"rows": rows}).splitlines()
    assert last.startswith("| same | 15 | 40 x 40 | 1449.6 |")
    assert [row["direct"] > row["fft"] for row in rows[:2]] == [False, True]
