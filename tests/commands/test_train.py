"""train.py --config NAME: a new run, and errors in its data."""

import itertools
import os
import re

import numpy as np
import pytest
from program import LAST_LINE, TINY, error_line, metrics, network_of, save_image

import datasets
import tinyfft
from commands import build
from tinyfft.runs.config import load_config
from tinyfft.training import checkpoint


def test_a_run_prints_its_progress_and_writes_its_files(train, pictures, tmp_path):
    process = train("--config", "cifar", "--data", pictures, *TINY, "--epochs", "2", "--device", "cpu", "--out", "run")
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert lines[0].startswith("device cpu (")
    assert lines[1] == f"data {pictures.name}: 20 training and 6 test images, 2 classes"
    assert lines[2] == "writing to run"
    for line, (layer, passes) in zip(
        lines[3:6],
        [(0, ("updateOutput", "accGradParameters"))]
        + [(layer, ("updateOutput", "updateGradInput", "accGradParameters")) for layer in (4, 8)],
        strict=True,
    ):
        chosen = ", ".join(f"{name} (fft|direct)" for name in passes)
        assert re.fullmatch(rf"layer {layer} \(Convolution\): {chosen}", line)
    assert [line.split(":")[0] for line in lines[6:8]] == ["epoch 1/2", "epoch 2/2"]
    assert re.fullmatch(r"best test accuracy \d\.\d{4}, of epoch [12], chosen on the test images themselves", lines[8])
    assert lines[10].startswith("no report.html: ")
    assert len(lines) == 11
    assert process.stderr == ""

    run = tmp_path / "run"
    found = metrics(run)
    assert [entry["epoch"] for entry in found] == [1, 2]
    assert set(found[0]) == {
        *("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy"),
        *("learning_rate", "data", "device"),
    }
    assert (found[1]["data"], found[1]["device"]) == (pictures.name, "cpu")
    accuracy, loss, epochs, _ = re.fullmatch(LAST_LINE, lines[-2]).groups()
    assert (accuracy, loss, epochs) == (f"{found[1]['test_accuracy']:.4f}", f"{found[1]['test_loss']:.4f}", "2")
    config = load_config(str(run / "config.toml"))
    assert (config.epochs, config.batch_size, config.model.channels) == (2, 4, (2, 2, 2))
    assert checkpoint.read(run / "checkpoint.safetensors")[0]["network.13.weight"].shape == (2, 2)


def test_the_resolved_configuration_runs_again_with_the_same_result(train, pictures, tmp_path):
    # steps so small that the weights stay as the seed initialised them
    options = ("--data", pictures, "--device", "cpu", "--set", "algorithm=fft", "optimizer.learning_rate=1e-30")
    assert train("--config", "cifar", *options, *TINY, "--seed", "5", "--out", "a").returncode == 0
    assert train("--config", "a/config.toml", *options, "--out", "b").returncode == 0
    assert train("--config", "a/config.toml", *options, "--out", "c", "--seed", "6").returncode == 0
    losses = [metrics(tmp_path / name)[0]["train_loss"] for name in "abc"]
    assert losses[0] == losses[1] != losses[2]
    weights = [checkpoint.read(tmp_path / name / "checkpoint.safetensors")[0]["network.0.weight"] for name in "abc"]
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_workers_change_no_result(train, pictures, tmp_path):
    for count in (0, 3):
        options = ("--set", "deterministic=true", f"data.workers={count}", "--out", count)
        process = train("--config", "cifar", "--data", pictures, "--device", "cpu", *TINY, *options)
        assert process.returncode == 0, process.stderr
    alone, helped = (checkpoint.read(tmp_path / name / "checkpoint.safetensors")[0] for name in ("0", "3"))
    assert {name: a.tobytes() for name, a in alone.items()} == {name: a.tobytes() for name, a in helped.items()}
    losses = [[metrics(tmp_path / name)[0][key] for key in ("train_loss", "test_loss")] for name in ("0", "3")]
    assert losses[0] == losses[1]


def test_both_loaders_have_the_workers_of_the_configuration(rng):
    images, labels = rng.integers(256, size=(6, 3, 4, 4), dtype=np.uint8), np.arange(6) % 2
    data = datasets.Dataset("made up", ("a", "b"), images, labels, images, labels)
    config = load_config("cifar", ["data.workers=3"])
    loaders = build.make_loaders(config, tinyfft.current_device(), data)
    assert [loader.workers for loader in (loaders[0], *loaders[1].values())] == [3, 3]


def test_without_out_a_run_gets_a_new_folder(train, pictures, tmp_path):
    process = train("--config", "cifar", "--data", pictures, *TINY)
    assert process.returncode == 0, process.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"cifar-\d{8}-\d{6}", folder.name)
    names = ["best.safetensors", "checkpoint.safetensors", "config.toml", "epoch-0001.safetensors", "metrics.jsonl"]
    assert sorted(os.listdir(folder)) == names


def test_fewer_images_than_a_minibatch_are_one_minibatch(train, pictures):
    process = train("--config", "cifar", "--data", pictures, *TINY, "--batch-size", "64")
    assert process.returncode == 0, process.stderr
    assert re.fullmatch(LAST_LINE, process.stdout.splitlines()[-2])


def test_a_network_learns_to_distinguish_red_from_blue(train, pictures, tmp_path):
    rate = ("--set", *network_of(4, 4, 4), "optimizer.learning_rate=0.05")
    process = train("--config", "cifar", "--data", pictures, *TINY, *rate, "--epochs", "10", "--out", "run")
    assert process.returncode == 0, process.stderr
    assert metrics(tmp_path / "run")[-1]["test_accuracy"] == 1.0


def test_divergence_is_one_line(train, pictures):
    process = train("--config", "cifar", "--data", pictures, *TINY, "optimizer.learning_rate=1e200", "--out", "run")
    assert process.returncode == 1
    assert re.search(r"^train.py: error: the loss is \w+ after \d+ steps, .* try a smaller", process.stderr, re.M)
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("mode", ["--time", "--data"])
def test_a_limit_too_low_for_one_sample_and_one_map_is_one_line(train, pictures, mode):
    mode = (mode, pictures) if mode == "--data" else (mode,)
    options = ("--config", "cifar", "--device", "cpu", *TINY, "algorithm=fft", "arena.limit_bytes=100", *mode)
    process = train(*options)
    assert process.returncode == 1
    layer = r"train.py: error: nn.Convolution\(3 -> 2, 5x5, .*\)"
    message = r"one sample and one map need \d+ bytes of the arena, arena.limit_bytes allows 100: raise it"
    assert re.fullmatch(f"{layer}: {message}", process.stderr.splitlines()[-1])
    assert "Traceback" not in process.stderr


def test_an_empty_class_folder_is_named(train_here, tmp_path):
    for part in ("train", "test"):
        (tmp_path / "mine" / part / "empty").mkdir(parents=True)
    assert "empty" in error_line(train_here("--config", "cifar", "--data", "mine"))


def test_a_truncated_image_is_named(train_here, tmp_path):
    for part in ("train", "test"):
        save_image(tmp_path / "mine" / part / "a" / "whole.png")
    whole = (tmp_path / "mine" / "train" / "a" / "whole.png").read_bytes()
    (tmp_path / "mine" / "train" / "a" / "half.png").write_bytes(whole[: len(whole) // 2])
    assert "half.png" in error_line(train_here("--config", "cifar", "--data", "mine"))


def test_bad_images_are_listed_and_skipped_on_request(train, tmp_path):
    for name, number in itertools.product("ab", range(6)):
        save_image(tmp_path / "mine" / name / f"{number}.png", 8 + number, 9, colour=(number, 2, 3))
    (tmp_path / "mine" / "a" / "2.png").write_bytes(b"no image")
    (tmp_path / "mine" / "b" / "5.png").write_bytes(b"")
    options = ("--config", "folder", "--data", "mine", "--device", "cpu", "--set", "data.size=16", "epochs=1")
    message = error_line(train(*options))
    assert message.startswith(
        f"2 of 12 images are bad: {tmp_path}/mine/a/2.png cannot be read: its format is not one of "
    )
    assert f"; {tmp_path}/mine/b/5.png cannot be read: " in message
    process = train(*options, "data.bad_pictures=skip", "model.channels=[2,2,2,2]", "algorithm=fft")
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    for line, name in zip(lines[1:3], ("a/2.png", "b/5.png"), strict=True):
        assert line.startswith(f"warning: left out: {tmp_path}/mine/{name} cannot be read: ")
    assert lines[3] == "data mine: 8 training and 2 test images, 2 classes"


def test_images_too_small_for_the_network_are_refused(train_here, tmp_path):
    for part in ("train", "test"):
        save_image(tmp_path / "mine" / part / "a" / "small.png", height=4)
    message = error_line(train_here("--config", "cifar", "--data", "mine"))
    assert message == "convnet: images have 4 x 8 pixels, expected at least 8 x 8"


def test_a_run_is_never_overwritten(train, pictures, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.jsonl").write_text("kept\n")
    message = error_line(train("--config", "cifar", "--data", pictures, *TINY, "--out", "run"))
    assert message == "--out run holds a run already (metrics.jsonl), expected a new or empty folder"
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == "kept\n"
