"""The paper's memory table: the minibatch that gives its figures, and the measured bytes."""

import pytest

from benchmarks import memory


def test_the_formula_gives_the_printed_megabytes():
    for row in memory.TABLE:
        formula = memory.formula_bytes(row, memory.minibatch(row))
        assert abs(formula / 1e6 - row.printed_mb) < 0.6, row  # one row is printed without its fraction, 151.52 as 151


def test_four_rows_are_misprinted():
    misprinted = [(row.n, row.C) for row in memory.TABLE if memory.minibatch(row) != row.S]
    assert misprinted == [(16, 256), (32, 256), (16, 384), (32, 384)]
    assert {memory.minibatch(row) for row in memory.TABLE[4:]} == {64}
    assert memory.formula_bytes(memory.TABLE[4], 128) / 1e6 == pytest.approx(196, abs=0.5)


def test_measured_bytes_hold_the_three_spectra(device):
    row = memory.Layer(4, 16, 3, 5, 0)
    spectra = 8 * (16 * 16 // 2 + 2) * (4 * 3 + 4 * 5 + 3 * 5)
    measured = memory.measured_bytes(row, 4, device)
    assert spectra <= measured
    if device.kind == "cuda":
        assert measured <= spectra + 3 * 256  # each spectrum is aligned
