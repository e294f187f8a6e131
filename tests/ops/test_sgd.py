"""SGD's kernel, built for the host, against the CPU."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import BOUNDS, CPU, dtypes, examples
from measure import error

from tinyfft import optim
from tinyfft.ops import sgd

OPTIONS = [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}]


@dtypes
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@examples(25)
@given(n=st.integers(1, 70), decay=st.sampled_from([0, 0.1]))
def test_steps(gpu, monkeypatch, dtype, options, n, decay):
    monkeypatch.setattr(sgd, "THREADS", 8)
    rng = np.random.default_rng(5)
    weights, gradients = rng.standard_normal((2, n)).astype(dtype)
    sides = [optim.SGD(weights.copy(), gradients.copy(), 0.1, weight_decay=decay, **options) for _ in range(2)]
    sides[1].device = CPU
    for rate in (0.1, 0.05, 0.0, 0.2):
        for side in sides:
            side.learning_rate = rate
            side.step()
    for name in ("weights", "velocity"):
        own, peer = (getattr(side, name) for side in sides)
        assert (own is None and peer is None) or error(own, peer, 4) <= BOUNDS[dtype]
    assert np.array_equal(sides[0].gradients, gradients)


@pytest.mark.parametrize("loss", [np.nan, np.inf, -np.inf, 1.0])
def test_no_step_for_a_loss_that_is_not_finite(gpu, loss):
    weights = np.ones(30, np.float32)
    optimizer = optim.SGD(weights, np.ones(30, np.float32), 0.5, 0.9)
    optimizer.step(np.array([loss]))
    assert np.all(weights == (0.5 if loss == 1 else 1))
    assert np.all(optimizer.velocity == (1 if loss == 1 else 0))
