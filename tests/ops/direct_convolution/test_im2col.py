"""im2col and col2im against the definition, and the taps that connect inputs and outputs."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tinyfft.fourier.axis import Axis
from tinyfft.ops.direct_convolution.im2col import col2im, im2col, padded_size, tap_order, taps_of_input, taps_of_output

AXES = {
    "plain": Axis(7, 3),
    "padding on both sides": Axis(7, 4, 1, 1, 2),
    "padding beyond the kernel": Axis(3, 2, 1, 5, 5),
    "outputs that read only padding": Axis(1, 1, 4, 4, 4),
    "nothing of the input is read": Axis(2, 2, 9, 5, 1),
    "stride leaves the end unread": Axis(10, 3, 4),
    "stride beyond the kernel": Axis(13, 2, 5, 1, 1),
}


@st.composite
def axes(draw):
    small = st.integers(0, 9)
    axis = Axis(1 + draw(small), 1 + draw(small), 1 + draw(small), draw(small), draw(small))
    assume(axis.out > 0)
    return axis


def taps(axis):
    """Return all (input, tap, output) of the definition."""
    triples = ((axis.stride * o + tap - axis.before, tap, o) for o in range(axis.out) for tap in range(axis.kernel))
    return [(i, tap, o) for i, tap, o in triples if 0 <= i < axis.size]


def empty(axis, n, C, H):
    return (np.full((H, C, *sizes), np.nan) for sizes in ((n, padded_size(axis)), (axis.kernel, n, axis.out)))


@pytest.mark.parametrize("axis", AXES.values(), ids=AXES)
def test_im2col_copies_each_pixel_to_its_columns(axis, rng):
    x = rng.standard_normal((3, 2, 4, axis.size))
    padded, columns = empty(axis, 3, 2, 4)
    im2col(x, padded, columns, axis)
    expected = np.zeros(columns.shape)
    for i, tap, o in taps(axis):
        expected[:, :, tap, :, o] = x[..., i].transpose(2, 1, 0)
    assert np.array_equal(columns, expected)


@pytest.mark.parametrize("axis", AXES.values(), ids=AXES)
def test_col2im_adds_each_column_to_its_pixel(axis, rng):
    padded, columns = empty(axis, 3, 2, 4)
    values = rng.integers(100, size=columns.shape).astype("float64")  # sums of whole numbers are exact
    columns[...] = values
    x = np.full((3, 2, 4, axis.size), np.nan)
    col2im(columns, padded, x, axis)
    expected = np.zeros(x.shape)
    for i, tap, o in taps(axis):
        expected[..., i] += values[:, :, tap, :, o].transpose(2, 1, 0)
    assert np.array_equal(x, expected)


@given(axis=axes())
def test_taps_of_outputs_and_inputs(axis):
    def pairs(a, b):
        assert len(a) == len(b)
        return list(zip(a, b, strict=True))

    found = []
    for o in range(axis.out):
        tap_slice, inputs = taps_of_output(axis, o)
        found += [(i, tap, o) for tap, i in pairs(range(axis.kernel)[tap_slice], range(axis.size)[inputs])]
    assert found == taps(axis)
    order = tap_order(axis)
    assert sorted(order) == list(range(axis.kernel))
    found = []
    for i in range(axis.size):
        places, outputs = taps_of_input(axis, i)
        found += [(i, tap, o) for tap, o in pairs(order[places], range(axis.out)[outputs])]
    assert sorted(found) == sorted(taps(axis))
