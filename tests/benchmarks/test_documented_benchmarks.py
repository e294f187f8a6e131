"""Each benchmark's command in the documents is taken from the text and run: on small layers, each call timed once."""

import importlib
import json
import re
import shlex
import sys
from functools import cache

import pytest
from documents import PICTURES, commands
from program import ROOT, network_of

pytestmark = pytest.mark.torch

COMMANDS = commands(r"-m benchmarks\.(\w+)")
GPU_ALONE = ("transforms", "breakdown")  # but for drawing what is measured already
SMALL = {  # what makes a command short, where its own options can
    "iteration": ("--batch-size", "2", "--set", "timing.input_shape=[3,8,8]"),
    "picture_memory": ("--pictures", "80", "160", "--side", "16"),
    "training": ("--set", "epochs=1", *network_of(2, 2, 2), "batch_size=4", "precision=fp32"),
}


@cache
def once(measure, config, side, overrides):
    """Each process is started once: many commands differ in where they write to alone."""
    return measure(config, side, overrides)


@pytest.fixture
def small(monkeypatch, tmp_path, pictures):
    """Small layers in place of all, the clock looks once, and the folder has what the commands name."""
    from benchmarks import clock, memory, methods, plans, resident_memory, shapes, sweeps

    layer = shapes.Layer(2, 3, 4, 10, 3, "same")
    for layers in (shapes.LAYERS, shapes.SMALL, shapes.CIFAR, methods.ALL, plans.ALL):
        for name in layers:
            monkeypatch.setitem(layers, name, layer)
    monkeypatch.setattr(methods, "of_configs", lambda names: dict.fromkeys(names, (layer, "tf32")))
    monkeypatch.setattr(sweeps, "CENTRE", shapes.Layer(2, 3, 4, 16, 3))
    for name in sweeps.SWEEPS:
        size, _, label = sweeps.SWEEPS[name]
        monkeypatch.setitem(sweeps.SWEEPS, name, (size, {"k": (3, 5), "n": (16, 20), "S": (2, 3)}[size], label))
    monkeypatch.setattr(memory, "TABLE", memory.TABLE[:1])
    monkeypatch.setattr(clock, "GROUPS", (1, 1))
    measure = resident_memory.measure
    monkeypatch.setattr(resident_memory, "measure", lambda name, side, keys: once(measure, name, side, tuple(keys)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for what a benchmark starts
    monkeypatch.setenv("TINYFFT_CACHE", str(tmp_path / "cache"))
    for name in PICTURES:
        (tmp_path / name).symlink_to(pictures)
    for stem in ("sweeps", "breakdown"):
        for file in (ROOT / "benchmarks" / "results").glob(f"{stem}-*.json"):
            for name in (file.name, f"{stem}-NAME.json"):
                (tmp_path / name).write_bytes(file.read_bytes())
    return tmp_path


def test_the_documents_have_such_commands():
    assert len(COMMANDS) >= 15


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence:UserWarning")  # by fft-conv-pytorch
@pytest.mark.parametrize("command", [c for c in COMMANDS if "--from" in c or not c.startswith(GPU_ALONE)])
def test_a_benchmark_runs(small, monkeypatch, command):
    name, *words = shlex.split(command)
    module = importlib.import_module(f"benchmarks.{name}")
    if "--fft-conv-pytorch" in words:
        pytest.importorskip("fft_conv_pytorch")
    named = "--device" in words or "--from" in words
    of_device = [] if named or name in ("operations", "picture_memory") else ["--device", "cpu"]
    arguments = [*_files(words), *of_device, *SMALL.get(name, ())]
    monkeypatch.setattr(sys, "argv", [f"benchmarks.{name}", *arguments])
    module.main()
    for file in (word for word in arguments if word.endswith(".md")):
        assert re.search(r"^\| .* \|$", (small / file).read_text(), re.M)
    for file in (word for word in arguments if word.startswith("found")):
        assert (small / file).stat().st_size
        if file.endswith(".json"):
            json.loads((small / file).read_text())


def _files(words):
    """The words with names for the files that they write."""
    named = list(words)
    for place, word in enumerate(words[:-1]):
        if words[place + 1] == "FILE":
            named[place + 1] = {"--json": "found.json", "--markdown": "found.md"}[word]
        elif word == "--plots":
            named[place + 1] = "plots"
    return named
