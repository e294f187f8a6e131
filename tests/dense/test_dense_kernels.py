"""The GPU's kernels of dense/, built for the host, against the CPU."""

import bfloat16
import host_gpu
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from measure import FP32_BOUND, FP64_BOUND, error

from tinyfft import backend, nn, optim
from tinyfft.dense import column_sums, cross_entropy, dropout, matmul, sgd
from tinyfft.dense.column_sums import add_column_sums
from tinyfft.dense.cross_entropy import count_correct
from tinyfft.fourier import arena

pytestmark = pytest.mark.skipif(host_gpu.COMPILER is None, reason="there is no C++ compiler on this machine")
CPU = backend.Device("cpu")
BOUNDS = {"float32": FP32_BOUND, "float64": FP64_BOUND}
many = settings(
    deadline=None, derandomize=True, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture
def gpu(monkeypatch):
    """With fewer threads."""
    for module, name, value in (
        (sgd, "THREADS", 8),
        (dropout, "THREADS", 3),
        (cross_entropy, "THREADS", 8),
        (column_sums, "BLOCK_X", 4),
    ):
        monkeypatch.setattr(module, name, value)
    return host_gpu.stands_in(monkeypatch)


@dtypes
@many
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


OPTIONS = [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}]


@dtypes
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@many
@given(n=st.integers(1, 70), decay=st.sampled_from([0, 0.1]))
def test_sgd(gpu, dtype, options, n, decay):
    rng = np.random.default_rng(5)
    weights, gradients = rng.standard_normal((2, n)).astype(dtype)
    sides = [optim.SGD(weights.copy(), gradients.copy(), 0.1, weight_decay=decay, **options) for _ in range(2)]
    sides[1].device = CPU
    for rate in (0.1, 0.05, 0.0, 0.2):
        for side in sides:
            side.learning_rate = rate
            side.step()
    for name in ("weights", "velocity"):
        ours, peer = (getattr(side, name) for side in sides)
        assert (ours is None and peer is None) or error(ours, peer, 4) <= BOUNDS[dtype]
    assert np.array_equal(sides[0].gradients, gradients)


@pytest.mark.parametrize("loss", [np.nan, np.inf, -np.inf, 1.0])
def test_sgd_takes_no_step_from_a_loss_that_is_not_finite(gpu, loss):
    weights = np.ones(30, np.float32)
    step = optim.SGD(weights, np.ones(30, np.float32), 0.5, 0.9)
    step.step(np.array([loss]))
    assert np.all(weights == (0.5 if loss == 1 else 1))
    assert np.all(step.velocity == (1 if loss == 1 else 0))


@dtypes
@many
@given(S=st.integers(1, 9), K=st.integers(1, 30), smoothing=st.sampled_from([0, 0.1, 1.0]), data=st.data())
def test_cross_entropy(gpu, dtype, S, K, smoothing, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x, target = (5 * rng.standard_normal((S, K)) + 50).astype(dtype), rng.integers(K, size=S)
    ours, peer = (nn.CrossEntropyCriterion(smoothing) for _ in range(2))
    peer.device = CPU
    assert ours.forward(x, target) == pytest.approx(peer.forward(x, target), rel=30 * BOUNDS[dtype], abs=1e-6)
    assert error(ours.backward(x, target), peer.backward(x, target), 1 / S) <= 30 * BOUNDS[dtype]


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_classes_of_any_integers(gpu, rng, kind):
    x, target = rng.standard_normal((5, 4)), np.array([3, 0, 2, 1, 3])
    criterion = nn.CrossEntropyCriterion(0.1)
    loss, gradient = criterion.forward(x, target), criterion.backward(x, target).copy()
    assert criterion.forward(x, target.astype(kind)) == loss
    assert np.array_equal(criterion.backward(x, target.astype(kind)), gradient)


@pytest.mark.parametrize("wrong", [-1, 4])
def test_a_class_that_does_not_exist(gpu, rng, wrong):
    with pytest.raises(ValueError, match=r"target has classes from .*, expected 0 to 3"):
        nn.CrossEntropyCriterion().forward(rng.standard_normal((3, 4)), np.array([0, wrong, 1]))


@pytest.mark.parametrize("place", range(12))
def test_nan_goes_through(gpu, place):
    x = np.zeros((3, 4), np.float32)
    x.flat[place] = np.nan
    assert np.isnan(nn.CrossEntropyCriterion().forward(x, np.array([0, 1, 2])))


@many
@given(S=st.integers(1, 9), K=st.integers(1, 30), levels=st.integers(1, 4))
def test_count_correct(gpu, S, K, levels):
    """Of equal maxima the first counts, as in argmax."""
    rng = np.random.default_rng(7)
    x, target = rng.integers(levels, size=(S, K)).astype(np.float32), rng.integers(K, size=S)
    counts = [np.array([2.0]), np.array([2.0])]
    for device, correct in zip((gpu, CPU), counts, strict=True):
        count_correct(x, target, correct, device)
    assert counts[0] == counts[1] == 2 + (x.argmax(axis=1) == target).sum()


@dtypes
@many
@given(
    n=st.integers(1, 200), p=st.sampled_from([0.1, 0.5, 0.99, 1e-12]), key=st.tuples(*[st.integers(0, 2**64 - 1)] * 2)
)
def test_masks_of_dropout(gpu, dtype, n, p, key):
    """The kernel's masks equal those of NumPy's generator in both passes; NaN stays NaN."""
    x, key = np.random.default_rng(1).standard_normal(n).astype(dtype), np.array(key, np.uint64)
    x[n // 2] = np.nan
    found = []
    for device in (gpu, CPU):
        buffer = nn.ReLU()._buffer
        for work in (dropout.forward, dropout.backward):
            found.append(np.empty_like(x))
            work(x, found[-1], key, p, device, buffer)
    assert all(np.array_equal(found[0], other, equal_nan=True) for other in found[1:])
    assert np.isnan(found[0][n // 2])


@dtypes
def test_linear(gpu, rng, dtype):
    """All three passes, with contiguous and with strided operands."""
    ours, peer = nn.Linear(6, 5, dtype=dtype), nn.Linear(6, 5, dtype=dtype)
    peer.device = CPU
    for own, other in zip(ours.parameters()[0], peer.parameters()[0], strict=True):
        other[...] = own
    for gradient in (*ours.parameters()[1], *peer.parameters()[1]):
        gradient.fill(0.5)
    x, dy = rng.standard_normal((4, 12)).astype(dtype)[:, ::2], rng.standard_normal((5, 4)).astype(dtype).T
    for layer in (ours, peer):
        layer.forward(x)
        layer.backward(x, dy, 0.25)
    assert error(ours.output, peer.output, 6) <= BOUNDS[dtype]
    assert error(ours.gradInput, peer.gradInput, 6) <= BOUNDS[dtype]
    for own, other in zip(ours.parameters()[1], peer.parameters()[1], strict=True):
        assert error(own, other, 6) <= BOUNDS[dtype]


@dtypes
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True), (True, True)])
@many
@given(m=st.integers(1, 5), n=st.integers(1, 5), k=st.integers(1, 40))
def test_long_sums_go_in_parts(gpu, monkeypatch, dtype, transposed, m, n, k):
    monkeypatch.setattr(matmul, "SPLIT_K_MIN_K", 3)
    monkeypatch.setattr(matmul, "SPLIT_K_MAX_PARTS", 6)
    rng = np.random.default_rng(9)
    a, b, out = (rng.standard_normal(shape).astype(dtype) for shape in ((m, k), (k, n), (m, n)))
    a, b = (
        np.ascontiguousarray(x.T).T if flag else np.ascontiguousarray(x)
        for x, flag in zip((a, b), transposed, strict=True)
    )
    expected = a.astype(np.float64) @ b.astype(np.float64)
    assert error(matmul.matmul(a, b, out, gpu), expected, k) <= BOUNDS[dtype]


@pytest.mark.parametrize(("k", "parts"), [(24576, 16), (512, 2), (511, 1), (777 * 7, 7), (128, 1)])
def test_the_parts_of_a_sum(gpu, k, parts):
    assert matmul._parts(np.ones((4, k), np.float32), np.ones((4, 10), np.float32), gpu) == parts


def test_parts_keep_to_the_limits(gpu, monkeypatch):
    a, out = np.ones((4, 24576), np.float32), np.ones((4, 10), np.float32)
    monkeypatch.setattr(matmul, "SPLIT_K_MAX_PARTS", 4)
    assert matmul._parts(a, out, gpu) == 4
    monkeypatch.setitem(arena.limit_bytes, gpu, 3 * out.nbytes + 32)
    assert matmul._parts(a, out, gpu) == 3
    monkeypatch.setitem(arena.limit_bytes, gpu, 3 * out.nbytes)  # but the arena rounds up
    assert matmul._parts(a, out, gpu) == 1
    monkeypatch.delitem(arena.limit_bytes, gpu)
    monkeypatch.setattr(matmul, "SPLIT_K_MAX_OUT", out.size - 1)
    assert matmul._parts(a, out, gpu) == 1
