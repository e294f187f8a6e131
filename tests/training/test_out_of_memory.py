"""A training that runs out of memory names the layer, the bytes and a limit that fits."""

import re
from unittest import mock

import numpy as np
import pytest
from limits import limited
from program import TINY, error_line
from trainers import Batches, linear_trainer

import tinyfft
from tinyfft import arena, backend, nn
from tinyfft.backend import to_host


def train(device):
    """Return the trainer after two steps of a convolution that needs much frequency memory, dropout and Linear."""
    arena.release(device)
    tinyfft.manual_seed(3)
    network = nn.Sequential(*(nn.FFTConvolution(2, 3, 5), nn.ReLU(), nn.Dropout(0.4), nn.Flatten(), nn.Linear(48, 3)))
    trainer = linear_trainer(network, rate=0.1, momentum=0.5)
    images = np.random.default_rng(2).standard_normal((8, 2, 8, 8), dtype=np.float32)
    trainer.train_epoch(Batches(device, images, np.arange(8) % 3, [4, 4]).epoch(1))
    return trainer


def scarce(nbytes):
    """Inside, no array may be larger than `nbytes`."""
    empty = backend.Device.empty

    def scarce_empty(device, shape, dtype):
        if np.prod(shape) * np.dtype(dtype).itemsize > nbytes:
            raise MemoryError("no more")
        return empty(device, shape, dtype)

    return mock.patch.object(backend.Device, "empty", scarce_empty)


def test_a_training_with_the_limit_that_the_error_names(device):
    expected = train(device)
    assert expected.network[0].chunks == 1
    needed = arena.current_arena(device).capacity
    with scarce(needed * 2 // 3), pytest.raises(MemoryError) as caught:
        train(device)
    layer = r"module 0, nn.FFTConvolution\(2 -> 3, 5x5.*\)"
    found = re.fullmatch(
        rf"{layer}: cannot allocate {needed} bytes .*, arena.limit_bytes = (\d+) would fit", str(caught.value)
    )
    with scarce(needed * 2 // 3), limited(device, int(found[1])):
        trainer = train(device)
    assert trainer.network[0].chunks > 1
    weights, expected_weights = (to_host(each.network[0].weight) for each in (trainer, expected))
    np.testing.assert_allclose(weights, expected_weights, rtol=1e-4, atol=1e-6)


def test_the_command_line_prints_one_line(train_here, pictures):
    arena.release(tinyfft.Device("cpu"))
    options = ("--config", "cifar", "--data", pictures, "--device", "cpu", *TINY, "algorithm=fft", "--out", "run")
    with scarce(10_000):
        line = error_line(train_here(*options), code=1)
    message = r"cannot allocate \d+ bytes of frequency memory on cpu, arena.limit_bytes = \d+ would fit"
    layer = r"module \d+, nn.Convolution\(.*\)"
    assert re.fullmatch(rf"not enough memory: {layer}: {message}; a smaller --batch-size may help", line)
