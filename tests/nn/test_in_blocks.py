"""Layers and SGD on large arrays: the same bits in any number of blocks, and no large array is allocated again."""

import numpy as np
import pytest
from measure import allocated
from pools import CASES, random_input
from threadpoolctl import threadpool_limits

from tinyfft import blockwise, nn
from tinyfft.optim import SGD

LAYERS = {  # constructor, shape of the input
    "ReLU": (nn.ReLU, (11, 3, 5, 6)),
    "vector through ReLU": (nn.ReLU, (301,)),
    "BatchNormalization": (lambda: nn.BatchNormalization(3), (11, 3, 5, 6)),
    "vectors through BatchNormalization": (lambda: nn.BatchNormalization(30), (11, 30)),
    "BatchNormalization without parameters": (lambda: nn.BatchNormalization(3, affine=False), (11, 3, 5, 6)),
    "BatchNormalization, ReLU": (lambda: nn.Sequential(nn.BatchNormalization(3), nn.ReLU()), (11, 3, 5, 6)),
}
LAYERS |= {
    f"{kind}, {name}": (lambda kind=kind, options=options: getattr(nn, kind)(*options), (7, *shape[1:]))
    for kind in ("MaxPool", "AveragePool")
    for name, (shape, *options) in CASES.items()
}
SGDS = {"plain": {}, "momentum, decay": {"momentum": 0.9, "weight_decay": 0.1}, "nesterov": {"momentum": 0.9}}
SGDS["nesterov"] |= {"nesterov": True, "weight_decay": 0.1}
MIB = 1 << 20


@pytest.fixture
def block(monkeypatch):
    """A function that sets the bytes of a block; three threads run."""
    with threadpool_limits(3, user_api="blas"):
        yield lambda nbytes: monkeypatch.setattr(blockwise, "BLOCK_BYTES", nbytes)


def passes(make, x):
    """Return all arrays that forward and backward write, in training and in evaluation."""
    written = []
    for train in (True, False):
        layer = make()
        layer.training() if train else layer.evaluate()
        layer.zeroGradParameters()
        y = layer.forward(x)
        dx = layer.backward(x, np.random.default_rng(5).standard_normal(y.shape, dtype=np.float32))
        written += [y, dx, *layer.parameters()[1], *layer.state().values()]
    return written


@pytest.mark.parametrize("nbytes", [1, 1000, 1500])
@pytest.mark.parametrize("values", ["any", "ties", "nan"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_in_blocks_give_the_same_bits(block, rng, name, values, nbytes):
    make, shape = LAYERS[name]
    x = random_input(rng, shape, values, "float32")
    block(1 << 40)
    whole = passes(make, x)
    block(nbytes)
    for array, expected in zip(passes(make, x), whole, strict=True):
        assert np.array_equal(array, expected, equal_nan=True)


@pytest.mark.parametrize("n", [63, 64, 65, 300])
@pytest.mark.parametrize("options", SGDS.values(), ids=SGDS)
def test_sgd_in_blocks_gives_the_same_bits(block, rng, options, n):
    start, gradients = rng.standard_normal((2, n), dtype=np.float32)

    def trained(nbytes):
        block(nbytes)
        sgd = SGD(start.copy(), gradients, 0.1, **options)
        for _ in range(3):
            sgd.step()
        return sgd.weights

    assert np.array_equal(trained(64 * 4), trained(1 << 40))


LARGE = {
    "ReLU": nn.ReLU,
    "MaxPool": lambda: nn.MaxPool(2),
    "overlapping MaxPool": lambda: nn.MaxPool(3, 2, 1),
    "AveragePool": lambda: nn.AveragePool(2),
    "BatchNormalization": lambda: nn.BatchNormalization(32),
    "BatchNormalization, ReLU": lambda: nn.Sequential(nn.BatchNormalization(32), nn.ReLU()),
    "Linear": lambda: nn.Linear(1024, 1024),
    "LogSoftMax": nn.LogSoftMax,
}


@pytest.mark.parametrize("name", LARGE)
def test_layers_allocate_no_large_array_again(block, rng, name):
    block(MIB // 4)
    shape = (1024, 1024) if name in ("Linear", "LogSoftMax") else (32, 32, 32, 32)
    layer, x = LARGE[name](), rng.standard_normal(shape, dtype=np.float32)
    dy = layer.forward(x).copy()
    assert x.nbytes == 4 * MIB
    assert allocated(lambda: (layer.forward(x), layer.backward(x, dy))) < MIB


def test_cross_entropy_allocates_no_large_array_again(rng):
    criterion, x = nn.CrossEntropyCriterion(0.1), rng.standard_normal((1024, 1024), dtype=np.float32)
    target = rng.integers(0, 1024, 1024)
    assert allocated(lambda: (criterion.forward(x, target), criterion.backward(x, target))) < MIB


@pytest.mark.parametrize("options", SGDS.values(), ids=SGDS)
def test_sgd_allocates_no_large_array_again(block, options):
    block(MIB // 4)
    sgd = SGD(*np.ones((2, MIB), np.float32), 0.1, **options)
    assert allocated(sgd.step) < MIB
