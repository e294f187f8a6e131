import json
import os

import numpy as np
import pytest
from full_disk import full_disk
from trainers import Batches

from tinyfft import nn, optim
from tinyfft.runs import run_folder
from tinyfft.runs.run_folder import CONFIG, LATEST, METRICS, RunFolder, RunFolderError
from tinyfft.training import checkpoint
from tinyfft.training.checkpoint import CheckpointError
from tinyfft.training.trainer import Trainer


def loader(device):
    """Return a loader of three minibatches of four rows."""
    rng = np.random.default_rng(4)
    return Batches(device, rng.standard_normal((12, 6), dtype=np.float32), rng.integers(3, size=12), [4, 4, 4])


def trainer(*callbacks):
    network = nn.Sequential(nn.Linear(6, 3))
    optimizer = optim.SGD(*network.getParameters(), 0.1, 0.9)
    schedule = optim.Schedule("constant", 0.1, 99)
    return Trainer(network, nn.CrossEntropyCriterion(), optimizer, schedule, callbacks=callbacks)


def fit(trainer, device, epochs, evaluations=("test",)):
    batches = loader(device)
    return list(trainer.fit(batches, dict.fromkeys(evaluations, batches), epochs))


def lines(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def weight(path):
    return checkpoint.read(path)[0]["network.0.weight"]


def epoch_of(path):
    return len(json.loads(checkpoint.read(path)[1]["training"])["history"])


def test_a_run_writes_its_configuration_metrics_and_checkpoints(device, tmp_path):
    folder = RunFolder(
        tmp_path / "deep" / "run", {"config": "seed = 7\n", "note": "ours"}, {"mean": np.ones(3)}, keep=2
    )
    t = trainer(folder)
    found = fit(t, device, 4)
    assert lines(folder.path) == found
    assert (folder.path / "config.toml").read_text() == "seed = 7\n"
    assert sorted(os.listdir(folder.path)) == [
        *("best.safetensors", "checkpoint.safetensors", "config.toml"),
        *("epoch-0003.safetensors", "epoch-0004.safetensors", "metrics.jsonl"),
    ]
    arrays, metadata = checkpoint.read(folder.path / "checkpoint.safetensors")
    assert (metadata["note"], metadata["config"]) == ("ours", "seed = 7\n")
    assert list(arrays["mean"]) == [1, 1, 1]
    assert [epoch_of(folder.path / f"epoch-000{n}.safetensors") for n in (3, 4)] == [3, 4]


@pytest.mark.parametrize(("accuracies", "best"), [((0.2, 0.5, 0.5, 0.1), 2), ((0.1, 0.2, 0.3, 0.4), 4)])
@pytest.mark.parametrize("by", ["validation", "test"])
def test_the_best_epoch_is_kept(device, tmp_path, monkeypatch, accuracies, best, by):
    folder = RunFolder(tmp_path / "run", keep=0)
    t = trainer(folder)
    left = iter(accuracies)
    other = iter(accuracies[::-1])
    results = {"validation": left, "test": other if by == "validation" else left}

    def evaluate(batches, label, total):
        return {"loss": 1.0, "accuracy": next(results[label.rpartition(" ")[2]])}

    monkeypatch.setattr(t, "evaluate", evaluate)
    fit(t, device, 4, ("validation", "test") if by == "validation" else ("test",))
    assert epoch_of(folder.path / "best.safetensors") == best == run_folder.best_epoch(t.history)
    assert run_folder.selection_split(t.history[0]) == by
    assert not list(folder.path.glob("epoch-*"))


def test_a_checkpoint_is_saved_every_so_many_steps(device, tmp_path):
    seen = []
    folder = RunFolder(tmp_path / "run", every_steps=2, every_minutes=0)
    t = trainer(folder)
    save = folder.save
    folder.save = lambda trainer: (save(trainer), seen.append((trainer.step, trainer.inside_epoch)))
    fit(t, device, 2)
    assert seen == [(0, False), (2, True), (3, False), (4, True), (6, True), (6, False)]


def test_a_checkpoint_is_saved_every_so_many_minutes(device, tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(run_folder.time, "monotonic", lambda: now[0])
    folder = RunFolder(tmp_path / "run", every_minutes=2)
    t = trainer(folder)
    folder.started(t)
    written = []
    monkeypatch.setattr(folder, "save", lambda trainer: (written.append(now[0]), setattr(folder, "_saved_at", now[0])))
    t.network.training()
    for minute in range(6):
        now[0] = 60.0 * minute
        folder.batch_ended(t)
    assert written == [120, 240]
    t.network.evaluate()
    now[0] = 6000
    folder.batch_ended(t)
    assert written == [120, 240]


def test_a_run_is_resumed_in_its_folder(device, tmp_path):
    first = trainer(RunFolder(tmp_path / "run"))
    fit(first, device, 2)
    (tmp_path / "run" / ".checkpoint.safetensors.123.tmp").touch()
    with open(tmp_path / "run" / "metrics.jsonl", "a") as file:
        file.write('{"epoch": 3, "cut')
    folder = RunFolder(tmp_path / "run")
    second = trainer(folder)
    assert folder.resume(second) == []
    assert fit(second, device, 3)[0]["epoch"] == 3
    assert [entry["epoch"] for entry in lines(folder.path)] == [1, 2, 3]
    assert lines(folder.path)[:2] == first.history
    assert not list(folder.path.glob(".*"))


def test_files_missing_after_the_last_checkpoint_are_written_when_resuming(device, tmp_path):
    fit(trainer(RunFolder(tmp_path / "run")), device, 2)
    for name in ("best.safetensors", "epoch-0002.safetensors", "metrics.jsonl", "config.toml"):
        (tmp_path / "run" / name).unlink(missing_ok=True)
    folder = RunFolder(tmp_path / "run", {"config": "a = 1\n"})
    t = trainer(folder)
    folder.resume(t)
    fit(t, device, 2)
    assert [entry["epoch"] for entry in lines(folder.path)] == [1, 2]
    assert epoch_of(folder.path / "epoch-0002.safetensors") == 2
    assert (folder.path / "best.safetensors").exists() == (run_folder.best_epoch(t.history) == 2)


def test_a_difference_between_machines_is_reported(device, tmp_path, monkeypatch):
    fit(trainer(RunFolder(tmp_path / "run")), device, 1)
    monkeypatch.setattr(run_folder.machine.parallel, "threads", lambda: 77)
    (difference,) = RunFolder(tmp_path / "run").resume(trainer())
    assert difference.startswith("BLAS threads was ")
    assert difference.endswith(", is 77")


def test_a_run_is_not_overwritten_unless_resumed(device, tmp_path):
    fit(trainer(RunFolder(tmp_path / "run")), device, 1)
    before = (tmp_path / "run" / "checkpoint.safetensors").read_bytes()
    with pytest.raises(RunFolderError, match="run holds a run already, expected a new folder, or that it is resumed"):
        fit(trainer(RunFolder(tmp_path / "run")), device, 1)
    assert (tmp_path / "run" / "checkpoint.safetensors").read_bytes() == before


def test_without_a_checkpoint_nothing_is_resumed(device, tmp_path):
    t = trainer()
    before = t.network[0].weight.copy()
    assert RunFolder(tmp_path / "none").resume(t) == []
    assert bool((t.network[0].weight == before).all())
    assert t.step == 0


def test_weights_alone_cannot_be_resumed(tmp_path):
    checkpoint.save(tmp_path / "w.safetensors", nn.Linear(2, 3).state(), {})
    with pytest.raises(
        CheckpointError, match=r"w\.safetensors holds weights alone, expected the checkpoint of a train"
    ):
        RunFolder(tmp_path).resume(trainer(), tmp_path / "w.safetensors")


def test_on_a_file_system_without_links_files_are_copied(device, tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(run_folder.os, "link", refuse)
    folder = RunFolder(tmp_path / "run")
    fit(trainer(folder), device, 1)
    assert epoch_of(folder.path / "best.safetensors") == 1


def test_names_of_new_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_folder.time, "strftime", lambda _: "20131220-120000")
    first = run_folder.choose_folder(None, "cifar")
    assert str(first) == "runs/cifar-20131220-120000"
    assert not first.exists()
    first.mkdir(parents=True)
    assert str(run_folder.choose_folder(None, "cifar")) == "runs/cifar-20131220-120000-2"


def test_a_given_folder_may_be_new_empty_or_hold_other_things(tmp_path):
    (tmp_path / "notes.txt").touch()
    for path in (tmp_path, tmp_path / "new"):
        assert run_folder.choose_folder(str(path), "cifar") == path


@pytest.mark.parametrize("name", [CONFIG, METRICS, LATEST])
def test_a_folder_with_a_run_is_refused(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(RunFolderError, match=rf"holds a run already \({name}\), expected a new or empty folder"):
        run_folder.choose_folder(str(tmp_path), "cifar")


def test_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="file is a file, expected a folder"):
        run_folder.choose_folder(str(tmp_path / "file"), "cifar")


def test_a_full_disk_is_reported_and_changes_no_file(device, tmp_path):
    folder = RunFolder(tmp_path / "run")
    t = trainer(folder)
    fit(t, device, 1)
    before = {path.name: path.read_bytes() for path in folder.path.iterdir()}
    with full_disk(left=100), pytest.raises(OSError, match=r"checkpoint\.safetensors"):
        folder.epoch_ended(t, t.history[-1])
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == before
