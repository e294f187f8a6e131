"""Each benchmark command in the documents runs, on small layers, with each call timed once."""

import importlib
import json
import re
import shlex
import shutil
import sys
from functools import cache

import pytest
from documents import PICTURES, commands
from program import ROOT, network_of

pytestmark = pytest.mark.torch

RESULTS = ROOT / "benchmarks" / "results"
COMMANDS = commands(r"-m benchmarks\.(\w+)")
GPU_ONLY = ("transforms", "breakdown")  # except with --from
SMALL = {  # options that make a command short
    "iteration": ("--batch-size", "2", "--set", "timing.input_shape=[3,8,8]"),
    "image_memory": ("--images", "80", "160", "--side", "16"),
    "training": ("--set", "epochs=1", *network_of(2, 2, 2), "batch_size=4", "precision=fp32"),
}


@cache
def once(measure, config, side, overrides):
    """Start each process once, since commands repeat."""
    return measure(config, side, overrides)


@pytest.fixture
def small(monkeypatch, tmp_path, pictures):
    """Small layers, one timed call each, and a working folder with the files that the commands name."""
    from benchmarks import clock, memory, methods, plans, resident_memory, shapes, sweeps

    layer = shapes.Layer(2, 3, 4, 10, 3, "same")
    for layers in (shapes.LAYERS, shapes.SMALL, shapes.CIFAR, methods.ALL, plans.ALL):
        for name in layers:
            monkeypatch.setitem(layers, name, layer)
    monkeypatch.setattr(methods, "of_configs", lambda names: dict.fromkeys(names, (layer, "tf32")))
    monkeypatch.setattr(sweeps, "CENTRE", shapes.Layer(2, 3, 4, 16, 3))
    for name in sweeps.SWEEPS:
        size, _, *texts = sweeps.SWEEPS[name]
        monkeypatch.setitem(sweeps.SWEEPS, name, (size, {"k": (3, 5), "n": (16, 20), "S": (2, 3)}[size], *texts))
    monkeypatch.setattr(memory, "TABLE", memory.TABLE[:1])
    monkeypatch.setattr(clock, "MIN_GROUPS", 1)
    monkeypatch.setattr(clock, "MAX_GROUPS", 1)
    measure = resident_memory.measure
    monkeypatch.setattr(resident_memory, "measure", lambda name, side, keys: once(measure, name, side, tuple(keys)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for processes that a benchmark starts
    monkeypatch.setenv("TINYFFT_CACHE", str(tmp_path / "cache"))
    for name in PICTURES:
        (tmp_path / name).symlink_to(pictures)
    shutil.copytree(RESULTS, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_the_documents_have_such_commands():
    assert len(COMMANDS) >= 15


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence:UserWarning")  # by fft-conv-pytorch
@pytest.mark.parametrize("command", [c for c in COMMANDS if "--from" in c or not c.startswith(GPU_ONLY)])
def test_a_benchmark_runs(small, monkeypatch, command):
    name, *words = shlex.split(command)
    module = importlib.import_module(f"benchmarks.{name}")
    if "--fft-conv-pytorch" in words:
        pytest.importorskip("fft_conv_pytorch")
    named = "--device" in words or "--from" in words
    of_device = [] if named or name in ("operations", "image_memory") else ["--device", "cpu"]
    words = ["plots" if before == "--plots" else word for before, word in zip(["", *words], words, strict=False)]
    arguments = [*words, *of_device, *SMALL.get(name, ()), "--json", "found.json", "--markdown", "found.md"]
    monkeypatch.setattr(sys, "argv", [f"benchmarks.{name}", *arguments])
    module.main()
    assert re.search(r"^\| .* \|$", (small / "found.md").read_text(), re.M)
    assert json.loads((small / "found.json").read_text())
    assert "--plots" not in words or list(small.glob("plots/*.svg"))
