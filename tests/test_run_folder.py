import json

import numpy as np
import pytest
from full_disk import full_disk

from tinyfft import checkpoint, nn, run_folder
from tinyfft.config import Config, load_config
from tinyfft.run_folder import FILES, RunFolder, RunFolderError


def test_a_run_leaves_its_configuration_measurements_and_network(tmp_path):
    config, network = load_config("cifar", ["seed=7"]), nn.Linear(2, 3)
    run = RunFolder(tmp_path / "deep" / "run", config)
    for epoch in (1, 2):
        network.weight.fill(epoch)
        run.add_epoch({"epoch": epoch, "test_accuracy": epoch / 4}, network)

    assert load_config(str(run.path / "config.toml")) == config
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"epoch": 1, "test_accuracy": 0.25},
        {"epoch": 2, "test_accuracy": 0.5},
    ]
    arrays, metadata = checkpoint.read(run.path / "checkpoint.safetensors")
    np.testing.assert_array_equal(arrays["weight"], np.full((3, 2), 2))
    assert json.loads(metadata["metrics"]) == {"epoch": 2, "test_accuracy": 0.5}
    assert metadata["config"] == (run.path / "config.toml").read_text()


def test_a_number_that_json_lacks_is_an_error_not_a_broken_line(tmp_path):
    run = RunFolder(tmp_path, Config())
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.add_epoch({"test_loss": float("nan")}, nn.Linear(1, 1))
    assert not (tmp_path / "metrics.jsonl").exists()


def test_names_of_new_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_folder.time, "strftime", lambda _: "20131220-120000")
    first = run_folder.choose(None, "cifar")
    assert str(first) == "runs/cifar-20131220-120000"
    assert not first.exists()
    first.mkdir(parents=True)
    assert str(run_folder.choose(None, "cifar")) == "runs/cifar-20131220-120000-2"


def test_a_given_folder_may_be_new_empty_or_hold_other_things(tmp_path):
    (tmp_path / "notes.txt").touch()
    for path in (tmp_path, tmp_path / "new"):
        assert run_folder.choose(str(path), "cifar") == path


@pytest.mark.parametrize("name", FILES)
def test_a_run_is_not_overwritten(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(RunFolderError, match=rf"holds a run already \({name}\), expected a new or empty folder"):
        run_folder.choose(str(tmp_path), "cifar")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="file is a file, expected a folder"):
        run_folder.choose(str(tmp_path / "file"), "cifar")


def test_a_full_disk_is_named(tmp_path):
    run = RunFolder(tmp_path, Config())
    with full_disk(), pytest.raises(OSError, match=r"metrics\.jsonl"):
        run.add_epoch({"note": "x" * 2000}, nn.Linear(1, 1))
