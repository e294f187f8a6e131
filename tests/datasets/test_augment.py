"""datasets/augment.py: the CPU against the formula, pixel by pixel in float64; the kernel against the CPU, bit by bit.

The kernel is built for the host.
"""

import host_gpu
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets import augment
from datasets.augment import draw_choices


def by_definition(images, choices, factor, offset, cutout):
    S, _, H, W = images.shape
    result = np.zeros(images.shape)
    for s, y, x in np.ndindex(S, H, W):
        dy, dx, mirrored, cy, cx = choices[s]
        row, column = y + dy, x + dx
        cut = 0 <= y - (cy - cutout // 2) < cutout and 0 <= x - (cx - cutout // 2) < cutout
        if 0 <= row < H and 0 <= column < W and not cut:
            result[s, :, y, x] = images[s, :, row, W - 1 - column if mirrored else column] * factor + offset
    return result


@pytest.fixture
def gpu(monkeypatch):
    """A GPU with so few threads that an image has more values than the grid has threads."""
    monkeypatch.setattr(augment, "THREADS", 8)
    monkeypatch.setattr(augment, "MAX_GRID_Y", 3)
    return None if host_gpu.COMPILER is None else host_gpu.stands_in(monkeypatch)


@settings(
    deadline=None, derandomize=True, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 7), st.integers(1, 7)),
    crop=st.sampled_from([0, 1, 4, 9]),
    cutout=st.sampled_from([0, 1, 2, 3, 4, 20]),
    flip=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 2**40),
)
def test_any_sizes(gpu, sizes, crop, cutout, flip, dtype, seed):
    rng = np.random.default_rng(seed)
    n, C, H, W = sizes
    images, labels = rng.integers(0, 256, sizes, dtype=np.uint8), rng.integers(0, 10, n)
    rows = rng.integers(0, n, rng.integers(1, 10))
    choices = draw_choices(rng, len(rows), (H, W), crop, flip)
    scaling = rng.normal(size=(2, C)).astype(dtype)
    input = augment.augment(images[rows], choices, *scaling, cutout)
    expected = by_definition(images[rows], choices, *scaling.astype(float), cutout)
    assert input.dtype == dtype
    assert input.flags.c_contiguous
    assert np.max(np.abs(input - expected)) <= 2 * np.finfo(dtype).eps * (255 * np.abs(scaling[0]) + 9).max()
    if gpu:
        of_kernel = np.column_stack((rows, choices)).astype(np.int32)
        found, target = augment.minibatch(images, labels, of_kernel, *scaling, cutout, gpu)
        assert (found.dtype, found.tobytes()) == (input.dtype, input.tobytes())
        assert target.tobytes() == labels[rows].tobytes()


def test_choices_are_fair_and_independent():
    """Each value of a choice, and each combination of values, is drawn equally often, within five sigma."""
    n, crop, size = 40_000, 1, (2, 3)
    choices = draw_choices(np.random.default_rng(1), n, size, crop, flip=True)
    choices[:, :2] += crop
    combinations = np.ravel_multi_index(tuple(choices.T), (3, 3, 2, *size))
    for values, number in zip((*choices.T, combinations), (3, 3, 2, *size, 3 * 3 * 2 * 2 * 3), strict=True):
        counts = np.bincount(values, minlength=number)
        assert np.abs(counts - n / number).max() <= 5 * np.sqrt(n / number * (1 - 1 / number))


def test_without_crop_and_flip_nothing_is_shifted_or_mirrored():
    assert not draw_choices(np.random.default_rng(1), 100, (4, 5), crop=0, flip=False)[:, :3].any()
