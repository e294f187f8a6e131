"""RunningScale of split_terms.cuh: the scale of floats from K-tile to K-tile with the same accumulators."""

import host_gpu
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyfft.cuda.source import with_headers

pytestmark = pytest.mark.skipif(host_gpu.COMPILER is None, reason="there is no C++ compiler on this machine")

KERNEL = """
#define BF16 0
#define REAL 0
typedef float2 number;
constexpr int SPLIT_TERMS = 1, TILE_K = 16;
#include "split_terms.cuh"

extern "C" __global__ void scales(const float* largest, float* value, float* inverse, float* change, int k_tiles) {
    RunningScale scale = {1, 1, 1};
    for (int i = 0; i < k_tiles; ++i) {
        change[i] = scale.next(__float_as_uint(largest[i]), i == 0);
        value[i] = scale.value, inverse[i] = scale.inverse;
    }
}
"""


def scales(largest):
    """Return (scale, its inverse, scale / scale before) for each K-tile, given the size of its largest number."""
    largest = np.array(largest, np.float32)
    scale, inverse, change = (np.full(len(largest), np.nan, np.float32) for _ in range(3))
    arguments = (largest, scale, inverse, change, np.int32(len(largest)))
    host_gpu.launch(with_headers(KERNEL), "scales", (1, 1), 1, arguments, 0)
    return scale.astype(np.float64), inverse.astype(np.float64), change.astype(np.float64)


sizes = st.one_of(st.just(0.0), st.integers(-126, 127).map(lambda power: 1.5 * 2.0**power))


@settings(deadline=None, derandomize=True)
@given(st.lists(sizes, min_size=1, max_size=12))
def test_scales_of_any_k_tiles(largest):
    scale, inverse, change = scales(largest)
    assert np.all(np.frexp(scale)[0] == 0.5)  # powers of two: nothing is rounded
    assert np.all(scale * inverse == 1)
    assert np.all(scale * largest < 2.0**15)  # the range of fp16
    ratio = scale[1:] / scale[:-1]
    assert np.all(change[1:] == np.where(ratio < 2.0**-149, 0, ratio))
    highest = 2.0**30 * np.minimum.accumulate(scale)
    assert np.all(scale <= highest)  # accumulators, of two operands, grow by 2^60 at most
    precise = scale * largest >= 2.0**14 / 512
    limited = (scale == highest) | (scale == 2.0**126)
    assert np.all(precise | limited | (np.array(largest) == 0))


def test_the_first_k_tile_has_its_own_scale():
    for power in (-60, 0, 60):
        scale, _, _ = scales([1.5 * 2.0**power])
        assert scale[0] == 2.0 ** (14 - power)


def test_a_scale_changes_as_rarely_as_it_can():
    """Each change rescales the accumulators."""
    scale, _, change = scales([64, 1.5, 63, 0.5, 0, 1])
    assert np.all(scale == scale[0])
    assert np.all(change[1:] == 1)


def test_it_falls_and_rises_again():
    scale, _, change = scales([1, 1024, 1, 0, 2.0**-60])
    assert list(scale / scale[0]) == [1, 2.0**-10, 1, 1, 2.0**20]
    assert list(change[1:]) == [2.0**-10, 2.0**10, 1, 2.0**20]
