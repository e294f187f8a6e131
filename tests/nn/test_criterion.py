"""The criteria against their definitions, central differences and PyTorch."""

import math

import numpy as np
import pytest
from measure import FP32_BOUND, FP64_BOUND, error

from tinyfft import nn
from tinyfft.backend import to_host
from tinyfft.gradcheck import gradcheck

SHAPES = {"plain": (6, 5), "batch 1": (1, 5), "one class": (4, 1), "two classes": (5, 2), "all 1": (1, 1)}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def cross_entropy(x, target, smoothing):
    """Return (loss, dx) from the definition, with exact sums."""
    S, K = x.shape
    terms, dx = [], np.zeros(x.shape)
    for s in range(S):
        largest = max(x[s])
        total = math.fsum(math.exp(v - largest) for v in x[s])
        for k in range(K):
            q = (1 - smoothing) * (k == target[s]) + smoothing / K
            terms.append(-q * (x[s, k] - largest - math.log(total)))
            dx[s, k] = (math.exp(x[s, k] - largest) / total - q) / S
    return math.fsum(terms) / S, dx


def check(criterion, device, x, target, loss, dx):
    bound = FP32_BOUND if x.dtype == np.float32 else FP64_BOUND
    x, target = device.array(x), device.array(target)
    value = criterion.forward(x, target)
    assert type(value) is float
    assert criterion.output == value
    assert abs(value - loss) <= bound * max(1.0, abs(loss))
    gradient = criterion.backward(x, target)
    assert gradient.dtype == x.dtype
    assert error(gradient, dx, 1.0 / len(x)) <= bound


@shapes
@dtypes
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_cross_entropy_definition(device, rng, shape, dtype, smoothing):
    x, target = (3 * rng.standard_normal(shape)).astype(dtype), rng.integers(0, shape[1], shape[0])
    loss, dx = cross_entropy(x.astype(np.float64), target, smoothing)
    check(nn.CrossEntropyCriterion(smoothing), device, x, target, loss, dx)


@shapes
@dtypes
def test_nll_definition(device, rng, shape, dtype):
    x, target = -rng.uniform(0.1, 5, shape).astype(dtype), rng.integers(0, shape[1], shape[0])
    dx = np.zeros(shape)
    for s, k in enumerate(target):
        dx[s, k] = -1 / shape[0]
    loss = -math.fsum(float(x[s, k]) for s, k in enumerate(target)) / shape[0]
    check(nn.ClassNLLCriterion(), device, x, target, loss, dx)


@dtypes
@pytest.mark.parametrize("shape", [(6, 5), (1, 1), (2, 3, 4, 5), (7,)])
def test_mse_definition(device, rng, shape, dtype):
    x, target = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    difference = x.astype(np.float64) - target
    loss = math.fsum(difference.ravel() ** 2) / x.size
    check(nn.MSECriterion(), device, x, target, loss, 2 * difference / x.size)


def test_cross_entropy_is_log_softmax_and_nll(device, rng):
    x, target = device.array(rng.standard_normal((6, 5))), device.array(rng.integers(0, 5, 6))
    log_softmax, nll = nn.LogSoftMax(), nn.ClassNLLCriterion()
    both = nn.CrossEntropyCriterion()
    assert both.forward(x, target) == pytest.approx(nll.forward(log_softmax.forward(x), target), rel=1e-14)
    gradient = log_softmax.backward(x, nll.backward(log_softmax.output, target))
    assert error(both.backward(x, target), to_host(gradient)) <= FP64_BOUND


@pytest.mark.parametrize("kind", ["uint8", "int8", "int32", "int64", "uint64"])
def test_integer_dtypes_of_the_target(device, rng, kind):
    x, target = rng.standard_normal((4, 200)), np.array([0, 3, 100, 127 if kind == "int8" else 199])
    loss, dx = cross_entropy(x, target, 0.0)
    check(nn.CrossEntropyCriterion(), device, x, target.astype(kind), loss, dx)


@pytest.mark.parametrize("offset", [1e4, -1e4])
def test_cross_entropy_is_stable(device, rng, offset):
    x, target = 1000 * rng.standard_normal((4, 3)) + offset, np.array([0, 1, 2, 0])
    loss, dx = cross_entropy(x, target, 0.1)
    check(nn.CrossEntropyCriterion(0.1), device, x, target, loss, dx)


def test_float32_losses_are_summed_in_float64(device):
    x = np.full((2**15, 1), -0.1, np.float32)
    x[0] = -1e4
    expected = -math.fsum(x.astype(np.float64).ravel()) / len(x)
    loss = nn.ClassNLLCriterion().forward(device.array(x), device.array(np.zeros(len(x), np.int64)))
    assert abs(loss - expected) <= 1e-12 * expected


@pytest.mark.parametrize(
    "criterion", [nn.ClassNLLCriterion, nn.CrossEntropyCriterion, lambda: nn.CrossEntropyCriterion(0.2)]
)
def test_class_central_differences(device, rng, criterion):
    gradcheck(criterion(), device.array(rng.standard_normal((6, 5))), device.array(rng.integers(0, 5, 6)))


def test_mse_central_differences(device, rng):
    gradcheck(nn.MSECriterion(), *(device.array(rng.standard_normal((6, 5))) for _ in range(2)))


@pytest.mark.torch
@shapes
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda: nn.CrossEntropyCriterion(), lambda t: t.nn.CrossEntropyLoss()),
        (lambda: nn.CrossEntropyCriterion(0.1), lambda t: t.nn.CrossEntropyLoss(label_smoothing=0.1)),
        (lambda: nn.ClassNLLCriterion(), lambda t: t.nn.NLLLoss()),
        (lambda: nn.MSECriterion(), lambda t: t.nn.MSELoss()),
    ],
    ids=["CrossEntropy", "smoothed", "ClassNLL", "MSE"],
)
def test_against_torch(device, rng, shape, ours, theirs):
    import torch

    criterion, x = ours(), rng.standard_normal(shape)
    mse = isinstance(criterion, nn.MSECriterion)
    target = rng.standard_normal(shape) if mse else rng.integers(0, shape[1], shape[0])
    peer_x = torch.from_numpy(x).requires_grad_()
    peer_loss = theirs(torch)(peer_x, torch.from_numpy(target))
    peer_loss.backward()
    check(criterion, device, x, target, peer_loss.item(), peer_x.grad.numpy())


def test_nan_input_gives_nan_loss(device):
    x, target = np.zeros((2, 3)), np.array([0, 1])
    x[0, 0] = np.nan
    assert math.isnan(nn.CrossEntropyCriterion().forward(device.array(x), device.array(target)))


def test_repr():
    assert repr(nn.CrossEntropyCriterion()) == "nn.CrossEntropyCriterion"
    assert repr(nn.CrossEntropyCriterion(0.1)) == "nn.CrossEntropyCriterion(label_smoothing=0.1)"
    assert repr(nn.MSECriterion()) == "nn.MSECriterion"


@pytest.mark.parametrize("kind", ["ClassNLLCriterion", "CrossEntropyCriterion"])
def test_class_errors(device, kind):
    criterion, x = getattr(nn, kind)(), device.array(np.zeros((3, 4)))
    for classes, text in (([0, 1, 4], "from 0 to 4"), ([-1, 3, 0], "from -1 to 3")):
        with pytest.raises(ValueError, match=rf"{kind}: target has classes {text}, expected 0 to 3"):
            criterion.forward(x, device.array(np.array(classes)))
    good = device.array(np.array([0, 1, 2]))
    with pytest.raises(ValueError, match=rf"{kind}: target has dtype float64, expected integers"):
        criterion.forward(x, good.astype("float64"))
    with pytest.raises(ValueError, match=rf"{kind}: target has shape \(2,\), expected \(3,\)"):
        criterion.forward(x, good[:2])
    with pytest.raises(ValueError, match=rf"{kind}: target has shape \(3, 1\), expected \(3,\)"):
        criterion.backward(x, good[:, None])
    with pytest.raises(ValueError, match=rf"{kind}: input has shape \(4,\), expected \(S, K\)"):
        criterion.forward(x[0], good)
    with pytest.raises(ValueError, match=rf"{kind}: input has shape \(0, 4\), expected \(S, K\), not empty"):
        criterion.forward(x[:0], good[:0])
    with pytest.raises(ValueError, match=rf"{kind}: input has dtype int64, expected float32 or float64"):
        criterion.forward(x.astype("int64"), good)
    with pytest.raises(TypeError, match=rf"{kind}: target is <class 'list'>, expected <class '.*ndarray'>"):
        criterion.forward(x, [0, 1, 2])


def test_other_errors(device):
    x = device.array(np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"MSECriterion: target has shape \(3,\) and dtype float64, expected \(3, 4\)"):
        nn.MSECriterion().forward(x, x[:, 0])
    with pytest.raises(ValueError, match=r"dtype float32, expected .* and float64, as the input"):
        nn.MSECriterion().forward(x, x.astype("float32"))
    with pytest.raises(ValueError, match=r"label_smoothing is 1.5, expected 0 to 1"):
        nn.CrossEntropyCriterion(1.5)
    with pytest.raises(NotImplementedError, match="Criterion has no updateOutput"):
        nn.Criterion().forward(x, x)
    with pytest.raises(NotImplementedError, match="Criterion has no updateGradInput"):
        nn.Criterion().backward(x, x)
