"""Products of matrices and column sums with the GPU's kernels, built for the host."""

import bfloat16
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import BOUNDS, CPU, dtypes, examples
from measure import FP32_BOUND, FP64_BOUND, error

from tinyfft import arena, nn
from tinyfft.ops import linear
from tinyfft.ops.linear import add_column_sums


@pytest.fixture
def gpu(gpu, monkeypatch):
    """Use small blocks."""
    monkeypatch.setattr(linear, "BLOCK_X", 4)
    monkeypatch.setattr(
        linear, "column_sums_source", linear.column_sums_source.__wrapped__
    )  # its cache knows no blocks
    return gpu


@dtypes
@examples(25)
@given(rows=st.integers(0, 40), columns=st.integers(1, 19), scale=st.sampled_from([1, -0.5]))
def test_column_sums(gpu, dtype, rows, columns, scale):
    rng = np.random.default_rng(3)
    matrix, before = rng.standard_normal((rows, columns)), rng.standard_normal(columns).astype(dtype)
    for kind in (dtype, "complex64" if dtype == "float32" else "complex128"):
        numbers, out = matrix.astype(kind) * (1 if kind == dtype else 1 + 2j), before.copy()
        add_column_sums(numbers, out, gpu, scale)
        assert error(out, before + scale * matrix.sum(axis=0), 1 + np.abs(matrix).sum()) <= BOUNDS[dtype]


@pytest.mark.parametrize("where", ["cpu", "gpu"])
def test_sums_of_the_first_columns(gpu, where, rng):
    matrix, out = rng.standard_normal((9, 7)), np.zeros(5)
    add_column_sums(matrix, out, gpu if where == "gpu" else CPU)
    assert error(out, matrix.sum(axis=0)[:5], np.abs(matrix).sum()) <= FP64_BOUND


def test_column_sums_of_bfloat16(gpu, rng):
    words, out = bfloat16.to_bf16_blocks(rng.standard_normal((9, 41)) + 3j), np.zeros(41, np.float32)
    add_column_sums(words, out, gpu)
    sums = bfloat16.from_bf16_blocks(words).real.sum(axis=0, dtype=np.float64)
    assert error(out, sums[:41], 9) <= FP32_BOUND


@dtypes
def test_layer(gpu, rng, dtype):
    """All three passes of nn.Linear, with strided arrays, against the CPU."""
    layer, peer = nn.Linear(6, 5, dtype=dtype), nn.Linear(6, 5, dtype=dtype)
    peer.device = CPU
    for own, other in zip(layer.parameters()[0], peer.parameters()[0], strict=True):
        other[...] = own
    for gradient in (*layer.parameters()[1], *peer.parameters()[1]):
        gradient.fill(0.5)
    x, dy = rng.standard_normal((4, 12)).astype(dtype)[:, ::2], rng.standard_normal((5, 4)).astype(dtype).T
    for each in (layer, peer):
        each.forward(x)
        each.backward(x, dy, 0.25)
    assert error(layer.output, peer.output, 6) <= BOUNDS[dtype]
    assert error(layer.gradInput, peer.gradInput, 6) <= BOUNDS[dtype]
    for own, other in zip(layer.parameters()[1], peer.parameters()[1], strict=True):
        assert error(own, other, 6) <= BOUNDS[dtype]


@dtypes
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True), (True, True)])
@examples(25)
@given(m=st.integers(1, 5), n=st.integers(1, 5), k=st.integers(1, 40))
def test_split_k(gpu, monkeypatch, dtype, transposed, m, n, k):
    monkeypatch.setattr(linear, "SPLIT_K_MIN_K", 3)
    monkeypatch.setattr(linear, "SPLIT_K_MAX_PARTS", 6)
    rng = np.random.default_rng(9)
    a, b, out = (rng.standard_normal(shape).astype(dtype) for shape in ((m, k), (k, n), (m, n)))
    a, b = (np.asarray(x, order="F" if flag else "C") for x, flag in zip((a, b), transposed, strict=True))
    expected = a.astype(np.float64) @ b.astype(np.float64)
    assert error(linear.matmul(a, b, out, gpu), expected, k) <= BOUNDS[dtype]


@pytest.mark.parametrize(("k", "parts"), [(24576, 16), (512, 2), (511, 1), (777 * 7, 7), (128, 1)])
def test_number_of_parts(gpu, k, parts):
    assert linear._parts(np.ones((4, k), np.float32), np.ones((4, 10), np.float32), gpu) == parts


def test_parts_stay_within_the_limits(gpu, monkeypatch):
    a, out = np.ones((4, 24576), np.float32), np.ones((4, 10), np.float32)
    monkeypatch.setattr(linear, "SPLIT_K_MAX_PARTS", 4)
    assert linear._parts(a, out, gpu) == 4
    monkeypatch.setitem(arena.limit_bytes, gpu, 3 * out.nbytes + 32)
    assert linear._parts(a, out, gpu) == 3
    monkeypatch.setitem(arena.limit_bytes, gpu, 3 * out.nbytes)  # less than three parts, which the arena aligns
    assert linear._parts(a, out, gpu) == 1
    monkeypatch.delitem(arena.limit_bytes, gpu)
    monkeypatch.setattr(linear, "SPLIT_K_MAX_OUT", out.size - 1)
    assert linear._parts(a, out, gpu) == 1
