"""The scales with which tensor cores take floats, from slab to slab of sums that stay where they are."""

import host_gpu
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyfft.kernel_source import with_headers

pytestmark = pytest.mark.skipif(host_gpu.COMPILER is None, reason="there is no C++ compiler on this machine")

KERNEL = """
#define BF16 0
#define REAL 0
typedef float2 number;
constexpr int PARTS = 1, DEPTH = 16;
#include "split_terms.cuh"

extern "C" __global__ void scales(const float* largest, float* now, float* inverse, float* moved, int slabs) {
    Scale scale = {1, 1, 1};
    for (int i = 0; i < slabs; ++i) {
        moved[i] = scale.next(__float_as_uint(largest[i]), i == 0);
        now[i] = scale.now, inverse[i] = scale.inverse;
    }
}
"""


def scales(largest):
    """(scale, its inverse, what it was multiplied by) for each slab of a tile, given the size of its largest number."""
    largest = np.array(largest, np.float32)
    now, inverse, moved = (np.full(len(largest), np.nan, np.float32) for _ in range(3))
    arguments = (largest, now, inverse, moved, np.int32(len(largest)))
    host_gpu.launch(with_headers(KERNEL), "scales", (1, 1), 1, arguments, 0)
    return now.astype(np.float64), inverse.astype(np.float64), moved.astype(np.float64)


sizes = st.one_of(st.just(0.0), st.integers(-126, 127).map(lambda power: 1.5 * 2.0**power))


@settings(deadline=None, derandomize=True)
@given(st.lists(sizes, min_size=1, max_size=12))
def test_scales_of_any_slabs(largest):
    now, inverse, moved = scales(largest)
    assert np.all(np.frexp(now)[0] == 0.5)  # powers of two: nothing is rounded
    assert np.all(now * inverse == 1)
    assert np.all(now * largest < 2.0**15)  # what a number of two bytes can hold
    ratio = now[1:] / now[:-1]
    assert np.all(moved[1:] == np.where(ratio < 2.0**-149, 0, ratio))
    assert np.all(now <= 2.0**30 * np.minimum.accumulate(now))  # sums of two operands grow by 2^60 at most
    kept = now * largest >= 2.0**14 / 512  # of the digits of numbers nearby
    limited = (now == 2.0**30 * np.minimum.accumulate(now)) | (now == 2.0**126)
    assert np.all(kept | limited | (np.array(largest) == 0))


def test_the_first_slab_has_its_own():
    for power in (-60, 0, 60):
        now, _, _ = scales([1.5 * 2.0**power])
        assert now[0] == 2.0 ** (14 - power)


def test_a_scale_stays_as_long_as_it_can():
    """Sums would have to follow it."""
    now, _, moved = scales([64, 1.5, 63, 0.5, 0, 1])
    assert np.all(now == now[0])
    assert np.all(moved[1:] == 1)


def test_it_falls_and_rises_again():
    now, _, moved = scales([1, 1024, 1, 0, 2.0**-60])
    assert list(now / now[0]) == [1, 2.0**-10, 1, 1, 2.0**20]
    assert list(moved[1:]) == [2.0**-10, 2.0**10, 1, 2.0**20]
