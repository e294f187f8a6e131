"""Shared by all tests: the devices to run on, poisoned memory, and the error measure of the design."""

import importlib.util
import os
import shutil
import subprocess
import tempfile

import numpy as np
import program
import pytest
from PIL import Image

import tinyfft
import train as train_program
from tinyfft import arena, backend


def pytest_configure():
    """What layers have chosen by time elsewhere says nothing here, nor shall anybody find what tests choose."""
    os.environ["TINYFFT_CACHE"] = tempfile.mkdtemp(prefix="tinyfft-tests-")


def pytest_unconfigure():
    shutil.rmtree(os.environ["TINYFFT_CACHE"], ignore_errors=True)


def pytest_collection_modifyitems(items):
    """Leave out, and say so, what this machine cannot run; TINYFFT_REQUIRE_GPU and _TORCH let it fail instead."""
    has_torch = importlib.util.find_spec("torch") is not None or "TINYFFT_REQUIRE_TORCH" in os.environ
    problem = None if "TINYFFT_REQUIRE_GPU" in os.environ else backend.gpu_problem()
    for item in items:
        if item.get_closest_marker("gpu") and problem:
            item.add_marker(pytest.mark.skip(reason=f"no working GPU: {problem}"))
        if item.get_closest_marker("torch") and not has_torch:
            item.add_marker(pytest.mark.skip(reason="PyTorch is not installed (extra `torch`)"))


@pytest.fixture(autouse=True)
def poison(monkeypatch):
    """Every buffer, and all memory taken from the arena, starts as NaN: what is not written is seen."""
    empty = backend.Device.empty

    def poisoned(device, shape, dtype):
        array = empty(device, shape, dtype)
        array.view("uint8").fill(0xFF)
        return array

    take = arena.Arena.take

    def poisoned_again(self, shape, dtype):
        array = take(self, shape, dtype)
        array.view("uint8").fill(0xFF)
        return array

    monkeypatch.setattr(backend.Device, "empty", poisoned)
    monkeypatch.setattr(arena.Arena, "take", poisoned_again)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    """Runs the test on the CPU and, where there is one, on the GPU."""
    chosen = tinyfft.use_device(request.param)
    tinyfft.manual_seed(1)
    yield chosen
    tinyfft.use_device("cpu")


@pytest.fixture(autouse=True)
def cpu_unless_asked():
    tinyfft.use_device("cpu")
    tinyfft.manual_seed(1)


@pytest.fixture
def rng():
    return np.random.default_rng(20131219)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of 8 x 8 pictures: reddish and bluish ones, ten of each to train with and three to test."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(3)
    for part, count in (("train", 10), ("test", 3)):
        for name, channel in (("blue", 2), ("red", 0)):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                picture = rng.integers(100, size=(8, 8, 3), dtype=np.uint8)
                picture[..., channel] += 150
                Image.fromarray(picture).save(folder / part / name / f"{number}.png")
    return folder


@pytest.fixture
def train(tmp_path):
    """Runs train.py on the CPU, in an empty folder; returns the finished process."""
    return lambda *arguments: program.run(tmp_path, *arguments)


@pytest.fixture
def train_here(tmp_path, monkeypatch, capsys):
    """The same in this process, which takes no start: for what is refused."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYFFT_CACHE", str(tmp_path / "cache"))

    def run(*arguments):
        capsys.readouterr()
        try:
            code = train_program.main([str(argument) for argument in arguments])
        except SystemExit as stop:  # by argparse
            code = stop.code
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run
