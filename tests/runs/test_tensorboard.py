"""The scalars that go to TensorBoard. A stand-in for tensorboardX writes them to a file."""

import json
import sys
from types import SimpleNamespace

import pytest
from program import TINY, error_line

from tinyfft.config import ConfigError
from tinyfft.runs.tensorboard import TensorBoard

STAND_IN = """
import json, os

class SummaryWriter:
    def __init__(self, logdir=None):
        self.path, self.kept = os.path.join(logdir, "scalars.jsonl"), []

    def add_scalar(self, tag, scalar_value, global_step=None):
        self.kept.append([tag, scalar_value, global_step])

    def flush(self):
        with open(self.path, "w") as file:
            file.writelines(json.dumps(each) + "\\n" for each in self.kept)
"""


def scalars(folder):
    return [json.loads(line) for line in (folder / "scalars.jsonl").read_text().splitlines()]


def test_every_number_of_an_epoch_is_a_scalar(monkeypatch, tmp_path):
    space = {}
    exec(STAND_IN, space)
    monkeypatch.setitem(sys.modules, "tensorboardX", SimpleNamespace(SummaryWriter=space["SummaryWriter"]))
    board = TensorBoard(tmp_path)
    assert list(tmp_path.iterdir()) == []
    board.epoch_ended(None, {"epoch": 1, "train_loss": 2.5, "test_accuracy": 0.5, "seconds": 3.0, "data": "mine"})
    assert scalars(tmp_path) == [["loss/train", 2.5, 1], ["accuracy/test", 0.5, 1], ["seconds", 3.0, 1]]
    board.epoch_ended(None, {"epoch": 2, "learning_rate": 0.1})
    assert scalars(tmp_path)[3:] == [["learning_rate", 0.1, 2]]


def test_without_tensorboardx_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ConfigError, match=r"needs tensorboardX .*: pip install -e '\.\[tensorboard\]' in the checkout"):
        TensorBoard(tmp_path)


def test_a_run_writes_scalars_if_asked(train, pictures, tmp_path, monkeypatch):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "tensorboardX.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"), prepend=":")
    options = ("--config", "cifar", "--data", pictures, "--device", "cpu", *TINY, "epochs=2")
    assert train(*options, "--out", "plain").returncode == 0
    assert not (tmp_path / "plain" / "scalars.jsonl").exists()
    process = train(*options, "tensorboard=true", "--out", "run")
    assert process.returncode == 0, process.stderr
    epochs = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    found = {(tag, step): value for tag, value, step in scalars(tmp_path / "run")}
    for epoch in epochs:
        assert found["loss/test", epoch["epoch"]] == epoch["test_loss"]
        assert found["learning_rate", epoch["epoch"]] == epoch["learning_rate"]


def test_a_missing_package_is_an_error_before_anything_is_written(train, pictures, tmp_path, monkeypatch):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "tensorboardX.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"), prepend=":")
    process = train("--config", "cifar", "--data", pictures, *TINY, "tensorboard=true", "--out", "run")
    assert "tensorboard is true, which needs tensorboardX (not here): pip install" in error_line(process)
    assert process.stdout == ""
    assert not (tmp_path / "run").exists()
