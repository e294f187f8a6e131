"""The kernels of cross-entropy, built for the host, against the CPU."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import BOUNDS, CPU, dtypes, examples
from measure import error

from tinyfft import nn
from tinyfft.ops import cross_entropy


@pytest.fixture
def gpu(gpu, monkeypatch):
    """Use small blocks."""
    monkeypatch.setattr(cross_entropy, "THREADS", 8)
    return gpu


@dtypes
@examples(25)
@given(S=st.integers(1, 9), K=st.integers(1, 30), smoothing=st.sampled_from([0, 0.1, 1.0]), data=st.data())
def test_loss_and_gradient(gpu, dtype, S, K, smoothing, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x, target = (5 * rng.standard_normal((S, K)) + 50).astype(dtype), rng.integers(K, size=S)
    criterion, peer = (nn.CrossEntropyCriterion(smoothing) for _ in range(2))
    peer.device = CPU
    assert criterion.forward(x, target) == pytest.approx(peer.forward(x, target), rel=30 * BOUNDS[dtype], abs=1e-6)
    assert error(criterion.backward(x, target), peer.backward(x, target), 1 / S) <= 30 * BOUNDS[dtype]


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_classes_of_any_integer_type(gpu, rng, kind):
    x, target = rng.standard_normal((5, 200)), np.array([3, 0, 2, 1, min(199, np.iinfo(kind).max)])
    criterion = nn.CrossEntropyCriterion(0.1)
    loss, gradient = criterion.forward(x, target), criterion.backward(x, target).copy()
    assert criterion.forward(x, target.astype(kind)) == loss
    assert np.array_equal(criterion.backward(x, target.astype(kind)), gradient)


@pytest.mark.parametrize("wrong", [-1, 4])
def test_a_class_that_does_not_exist(gpu, rng, wrong):
    with pytest.raises(ValueError, match=r"target has classes from .*, expected 0 to 3"):
        nn.CrossEntropyCriterion().forward(rng.standard_normal((3, 4)), np.array([0, wrong, 1]))


@pytest.mark.parametrize("place", range(12))
def test_nan_gives_a_nan_loss(gpu, place):
    x = np.zeros((3, 4), np.float32)
    x.flat[place] = np.nan
    assert np.isnan(nn.CrossEntropyCriterion().forward(x, np.array([0, 1, 2])))


@examples(25)
@given(S=st.integers(1, 9), K=st.integers(1, 30), levels=st.integers(1, 4))
def test_count_correct(gpu, S, K, levels):
    """Of equal maxima the first one counts, as in argmax."""
    rng = np.random.default_rng(7)
    x, target = rng.integers(levels, size=(S, K)).astype(np.float32), rng.integers(K, size=S)
    counts = [np.array([2.0]), np.array([2.0])]
    for device, correct in zip((gpu, CPU), counts, strict=True):
        cross_entropy.count_correct(x, target, correct, device)
    assert counts[0] == counts[1] == 2 + (x.argmax(axis=1) == target).sum()
