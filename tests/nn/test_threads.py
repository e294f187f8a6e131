"""Convolutions in three threads: correct and reproducible."""

import numpy as np
import pytest
from test_chunked_convolution import HAZARDS
from test_convolution_layer import check
from threadpoolctl import threadpool_limits

import tinyfft
from tinyfft import nn
from tinyfft.cpu import threads


@pytest.fixture(autouse=True)
def three_threads():
    with threadpool_limits(3, user_api="blas"):
        assert threads.count() == 3
        yield


@pytest.mark.parametrize("samples", [1, 2, 5])
@pytest.mark.parametrize("hazard", HAZARDS)
def test_more_and_fewer_samples_than_threads(hazard, samples, rng):
    layer = nn.FFTConvolution(2, 3, 5, padding=2, **HAZARDS[hazard])
    check(layer, (samples, 2, 13, 10), rng, scale=0.5)


@pytest.mark.parametrize("kind", [nn.FFTConvolution, nn.DirectConvolution])
def test_results_are_reproducible(kind, rng):
    x, gy = (rng.standard_normal((5, maps, 9, 9), dtype=np.float32) for maps in (2, 3))
    runs = []
    for _ in range(2):
        tinyfft.manual_seed(1)
        layer = kind(2, 3, 3, padding="same")
        layer.zeroGradParameters()
        runs.append([layer.forward(x), layer.backward(x, gy), layer.gradWeight, layer.gradBias])
    assert all(np.array_equal(a, b) for a, b in zip(*runs, strict=True))
