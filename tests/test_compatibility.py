"""What version 0.1 wrote, and what its README said, goes on working."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from program import ROOT, environment, run

FIXTURES = Path(__file__).parent / "fixtures"
CHECKPOINT = FIXTURES / "checkpoint-0.1.safetensors"
"""After epoch 2 of 3, on the images of the fixture `pictures`, with memory and arena.limit_bytes at "auto"."""

EPOCH_3 = {"train_loss": 0.2829066675680224, "test_loss": 0.2941268378228415, "test_accuracy": 1.0}
"""What version 0.1 measured when it went on, on another machine."""


def test_a_checkpoint_resumes(tmp_path, pictures):
    (tmp_path / "run").mkdir()
    shutil.copy(CHECKPOINT, tmp_path / "run" / "checkpoint.safetensors")
    process = run(tmp_path, "--resume", "run", "--data", pictures, "--device", "cpu")
    assert process.returncode == 0, process.stderr
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert {name: lines[2][name] for name in EPOCH_3} == pytest.approx(EPOCH_3, rel=1e-3)


def test_a_checkpoint_evaluates(tmp_path, pictures):
    process = run(tmp_path, "--evaluate", CHECKPOINT, "--data", pictures, "--device", "cpu", "--json", "found.json")
    assert process.returncode == 0, process.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["accuracy"] == 1.0
    assert found["loss"] == pytest.approx(0.3053716684575193, rel=1e-3)


@pytest.mark.parametrize("name", ["layer", "training"])
def test_the_examples_of_the_readme_run(tmp_path, name):
    environ = environment(tmp_path) | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(FIXTURES / f"readme_{name}_0_1.py")]
    process = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120)
    assert process.returncode == 0, process.stderr
