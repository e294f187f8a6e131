"""Kernels compiled side by side."""

import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from tinyfft.cuda import launch
from tinyfft.cuda.source import Source


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


def test_sources_compile_side_by_side_each_once_in_a_thread_on_the_device(device, monkeypatch):
    together, compiled = threading.Barrier(2, timeout=20), []

    def compile_one(source, on):
        assert (on, device.current.index) == (device, 5)
        together.wait()
        compiled.append(source.stem)

    monkeypatch.setattr(launch, "_compiled", compile_one)
    launch.compile_all([Source(stem, "") for stem in ("sgd", "dropout", "sgd")], device)
    assert sorted(compiled) == ["dropout", "sgd"]


def test_an_error_of_the_compiler_is_raised(device, monkeypatch):
    def refuse(source, device):
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(launch, "_compiled", refuse)
    with pytest.raises(RuntimeError, match="no such instruction"):
        launch.compile_all([Source("sgd", "")], device)


def test_nothing_to_compile_needs_no_device(monkeypatch):
    compiled = []
    monkeypatch.setattr(launch, "_compiled", lambda source, device: compiled.append(source))
    launch.compile_all([], None)
    assert compiled == []
