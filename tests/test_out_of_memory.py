"""What a training does when memory runs out: it names the layer, or goes on with a smaller arena."""

from unittest import mock

import numpy as np
import pytest
from trainers import Batches, linear_trainer

import tinyfft
from tinyfft import backend, nn
from tinyfft.backend import to_host
from tinyfft.fourier import arena


def scarce_trainer():
    """A network of a convolution that wants much frequency memory, dropout and an output."""
    tinyfft.manual_seed(3)
    network = nn.Sequential(*(nn.FFTConvolution(2, 3, 5), nn.ReLU(), nn.Dropout(0.4), nn.Flatten(), nn.Linear(48, 3)))
    return linear_trainer(network, rate=0.1, momentum=0.5)


def train_with(device, limit, left=None):
    """Weights after two steps, and what was written, where arrays may have `left` bytes."""
    arena.release(device)
    data_rng = np.random.default_rng(2)
    loader = Batches(device, data_rng.standard_normal((8, 2, 8, 8), dtype=np.float32), np.arange(8) % 3, [4, 4])
    empty = backend.Device.empty

    def scarce(self, shape, dtype):
        if left is not None and np.prod(shape) * np.dtype(dtype).itemsize > left:
            raise MemoryError("no more")
        return empty(self, shape, dtype)

    lines = []
    with mock.patch.dict(arena.limit_bytes, {device: limit} if limit else {}), mock.patch.dict(arena.found_bytes):
        arena.found_bytes.clear()
        trainer = scarce_trainer()
        trainer.progress.write = lines.append
        forget = trainer.steps.forget
        trainer.steps.forget = lambda: lines.append("forgotten") or forget()
        with mock.patch.object(backend.Device, "empty", scarce):
            trainer.train_epoch(loader.epoch(1))
        found = arena.found_bytes.get(device)
    return trainer, to_host(trainer.network[0].weight).copy(), found, lines


def test_out_of_memory_goes_on_in_chunks_where_the_limit_is_auto(device):
    trainer, expected, _, _ = train_with(device, None)
    needed = arena.current_arena(device).wanted
    assert trainer.network[0].chunks == 1
    trainer, weights, found, lines = train_with(device, "auto", needed * 2 // 3)
    assert trainer.network[0].chunks > 1
    assert found == needed // 2
    assert lines[-2:] == ["forgotten", f"out of memory: the arena is limited to {found} bytes from here on"]
    np.testing.assert_allclose(weights, expected, rtol=1e-4, atol=1e-6)
    limited, same, _, _ = train_with(device, found)
    assert limited.network[0].chunks == trainer.network[0].chunks
    np.testing.assert_array_equal(weights, same)


def test_out_of_memory_names_the_layer_and_what_would_help(device):
    with pytest.raises(MemoryError, match=r"^module 0, nn.FFTConvolution\(2 -> 3, 5x5.*\): cannot allocate \d+ bytes"):
        train_with(device, None, 5000)


def test_memory_that_no_limit_gives_is_an_error(device):
    with pytest.raises(MemoryError, match=r"^module 0, nn.FFTConvolution\(2 -> 3.*cannot allocate|no more"):
        train_with(device, "auto", 100)


def test_a_limit_that_was_found_is_part_of_the_state(device):
    with mock.patch.dict(arena.found_bytes, {device: 12345}):
        arrays, record = linear_trainer().state()
    other = linear_trainer()
    with mock.patch.dict(arena.found_bytes):
        other.restore(arrays, record)
        assert arena.found_bytes[device] == 12345
