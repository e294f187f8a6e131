"""Kernels compiled side by side."""

import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from tinyfft import gpu


@pytest.fixture
def device():
    """A made-up GPU, which notes in `current` the threads that have chosen it."""
    current = threading.local()

    @contextmanager
    def choose(index):
        current.index = index
        yield
        del current.index

    return SimpleNamespace(index=5, current=current, xp=SimpleNamespace(cuda=SimpleNamespace(Device=choose)))


def test_kernels_compile_side_by_side_each_in_a_thread_on_the_device(device):
    together = threading.Barrier(2, timeout=20)

    def compile_one():
        assert device.current.index == 5
        together.wait()

    gpu.compile_all([compile_one, compile_one], device)
    assert not together.broken


def test_an_error_of_the_compiler_is_raised(device):
    def refuse():
        raise RuntimeError("no such instruction")

    with pytest.raises(RuntimeError, match="no such instruction"):
        gpu.compile_all([refuse], device)


def test_nothing_to_compile_needs_no_device():
    gpu.compile_all([], None)
