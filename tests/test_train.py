"""A new run, and what train.py says of bad input."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from program import LAST_LINE, ROOT, TINY, error_line, metrics, network_of

import datasets
import tinyfft
from commands import build
from tinyfft import checkpoint
from tinyfft.runs.config import load_config


def test_a_run_says_what_it_does_and_leaves_its_files(train, pictures, tmp_path):
    process = train("--config", "cifar", "--data", pictures, *TINY, "--epochs", "2", "--device", "cpu", "--out", "run")
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert lines[0].startswith("device cpu (")
    assert lines[1] == f"data {pictures.name}: 20 training and 6 test pictures, 2 classes"
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
    assert re.fullmatch(
        r"best test accuracy \d\.\d{4}, of epoch [12], chosen on the test pictures themselves", lines[8]
    )
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
    # steps so small that the network which is left is the one that the seed began with
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


def test_fewer_pictures_than_a_minibatch_are_one_minibatch(train, pictures):
    process = train("--config", "cifar", "--data", pictures, *TINY, "--batch-size", "64")
    assert process.returncode == 0, process.stderr
    assert re.fullmatch(LAST_LINE, process.stdout.splitlines()[-2])


def test_red_is_told_from_blue(train, pictures, tmp_path):
    rate = ("--set", *network_of(4, 4, 4), "optimizer.learning_rate=0.05")
    process = train("--config", "cifar", "--data", pictures, *TINY, *rate, "--epochs", "10", "--out", "run")
    assert process.returncode == 0, process.stderr
    assert metrics(tmp_path / "run")[-1]["test_accuracy"] == 1.0


def test_a_loss_that_explodes_is_one_line(train, pictures):
    process = train("--config", "cifar", "--data", pictures, *TINY, "optimizer.learning_rate=1e200", "--out", "run")
    assert process.returncode == 1
    assert re.search(r"^train.py: error: the loss is \w+ after \d+ steps, .* try a smaller", process.stderr, re.M)
    assert "Traceback" not in process.stderr


def test_list_says_what_each_config_is_for(train_here):
    process = train_here("--list")
    assert process.returncode == 0
    listed = dict(line.split(maxsplit=1) for line in process.stdout.splitlines())
    assert [*listed] == sorted(file.stem for file in (ROOT / "configs").glob("*.toml"))
    assert listed["cifar"] == "A small network for 32 x 32 pictures"
    assert not any(":" in about or "#" in about for about in listed.values())


SMALL_TIMING = ("--set", *network_of(2, 2, 2), "batch_size=3", "timing.input_shape=[3,8,8]")


def test_timing_needs_no_data_and_writes_json(train, tmp_path):
    process = train("--config", "cifar", "--time", "--json", "t.json", "--device", "cpu", *SMALL_TIMING)
    assert process.returncode == 0, process.stderr
    report = json.loads((tmp_path / "t.json").read_text())
    assert (report["device"], report["batch_size"], report["precision"]) == ("cpu", 3, "fp32")
    assert len(report["layers"]) == 14
    assert report["layers"][0]["updateGradInput_ms"] is None
    assert all(row["name"] in process.stdout for row in report["layers"])
    assert f"{report['images_per_second']:.1f} images/s" in process.stdout
    assert not (tmp_path / "runs").exists()


def test_a_limit_to_the_arena_is_kept(train, tmp_path):
    options = ("--config", "cifar", "--time", "--json", "t.json", "--device", "cpu", *SMALL_TIMING, "algorithm=fft")
    reports = []
    for limit in (0, 14_000):
        process = train(*options, f"arena.limit_bytes={limit}")
        assert process.returncode == 0, process.stderr
        reports.append(json.loads((tmp_path / "t.json").read_text()))
    free, bounded = ([row for row in report["layers"] if row["algorithm"]] for report in reports)
    assert [row["chunks"] for row in free] == [1, 1, 1]
    assert max(row["chunks"] for row in bounded) > 1
    assert max(row["frequency_bytes"] for row in bounded) <= 14_000 < reports[0]["frequency_bytes"]


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


def test_help_answers_without_numpy():
    code = (
        "import sys, train\n"
        "try: train.main(['--help'])\n"
        "except SystemExit as stop: print(stop.code, 'numpy' in sys.modules, 'cupy' in sys.modules)\n"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert process.stdout.splitlines()[-1] == "0 False False"
    for option in ("--config", "--data", "--device", "--epochs", "--batch-size", "--seed", "--set", "--out", "--time"):
        assert option in process.stdout
    assert "examples:" in process.stdout


def test_version(train):
    process = train("--version")
    assert (process.returncode, process.stdout) == (0, f"tinyfft {tinyfft.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--config is missing, expected NAME (--list says which there are), or --resume"),
        (("--config", "cfar"), "unknown config 'cfar', expected one of cifar, "),
        (("--config", "none.toml"), "none.toml: cannot be read: No such file or directory"),
        (("--config", "cifar", "--sett", "a=1"), "unrecognized arguments: --sett a=1"),
        (("--config", "cifar", "--set", "epoch=1"), "unknown key epoch, did you mean epochs?"),
        (
            ("--config", "cifar", "--set", "optimizer.momentum=much"),
            'optimizer.momentum is "much" (a string), expected',
        ),
        (("--config", "cifar", "--set", "epochs"), "--set epochs: expected key=value"),
        (("--config", "cifar", "--batch-size", "0"), "batch_size is 0, expected at least 1"),
        (("--config", "cifar", "--epochs", "0"), "epochs is 0, expected at least 1"),
        (("--config", "cifar", "--epochs", "ten"), 'epochs is "ten" (a string), expected an integer'),
        (("--config", "cifar", "--seed", "-1"), "seed is -1, expected at least 0"),
        (("--config", "cifar", "--data", "nowhere"), "nowhere does not exist"),
        (("--config", "folder"), 'data.name is "folder", expected the folder of images too (--data DIR)'),
        (("--config", "folder", "--set", "data.name=cifar10-sample"), "data.size is 64, expected 0: the images of"),
        (("--config", "cifar", "--device", "tpu"), "--device is 'tpu', expected auto, cpu, cuda or cuda:N"),
        (("--config", "cifar", "--device", "cuda"), "device cuda does not work: "),
        (("--config", "cifar", "--json", "t.json"), "--json needs --time or --evaluate"),
        (("--config", "cifar", "--time", "--resume"), "--resume and --time are two commands, expected one"),
        (("--time",), "--time needs --config"),
        (("--config", "cifar", "--time", "--json", "no/t.json"), "--json no/t.json: there is no folder no"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(train_here, tmp_path, arguments, message):
    assert message in error_line(train_here(*arguments))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize("mode", [("--time",), ("--data",)])
def test_a_precision_of_gpus_is_refused_on_the_cpu(train_here, pictures, tmp_path, mode, precision):
    mode = (*mode, pictures) if mode == ("--data",) else mode
    message = error_line(train_here("--config", "cifar", "--device", "cpu", "--set", f"precision={precision}", *mode))
    assert precision in message
    assert "cpu" in message
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "mine.toml: unknown key epoch, did you mean epochs?"),
        ("epochs = 'x'", 'mine.toml: epochs is "x" (a string), expected an integer'),
        ("epochs =", "mine.toml: not valid TOML"),
    ],
)
def test_a_bad_config_file_is_named(train_here, tmp_path, text, message):
    (tmp_path / "mine.toml").write_text(text)
    assert message in error_line(train_here("--config", "mine.toml"))


def test_an_empty_class_folder_is_named(train_here, tmp_path):
    for part in ("train", "test"):
        (tmp_path / "mine" / part / "empty").mkdir(parents=True)
    assert "empty" in error_line(train_here("--config", "cifar", "--data", "mine"))


def test_a_truncated_picture_is_named(train_here, tmp_path):
    for part in ("train", "test"):
        (tmp_path / "mine" / part / "a").mkdir(parents=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "mine" / part / "a" / "whole.png")
    whole = (tmp_path / "mine" / "train" / "a" / "whole.png").read_bytes()
    (tmp_path / "mine" / "train" / "a" / "half.png").write_bytes(whole[: len(whole) // 2])
    assert "half.png" in error_line(train_here("--config", "cifar", "--data", "mine"))


def test_bad_pictures_are_listed_and_left_out_where_that_is_wanted(train, tmp_path):
    for name in ("a", "b"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for number in range(6):
            Image.new("RGB", (8 + number, 9), (number, 2, 3)).save(tmp_path / "mine" / name / f"{number}.png")
    (tmp_path / "mine" / "a" / "2.png").write_bytes(b"no picture")
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
    assert lines[3] == "data mine: 8 training and 2 test pictures, 2 classes"


def test_pictures_too_small_for_the_network_are_refused(train_here, tmp_path):
    for part in ("train", "test"):
        (tmp_path / "mine" / part / "a").mkdir(parents=True)
        Image.fromarray(np.zeros((4, 8, 3), np.uint8)).save(tmp_path / "mine" / part / "a" / "small.png")
    message = error_line(train_here("--config", "cifar", "--data", "mine"))
    assert message == "convnet: pictures have 4 x 8 pixels, expected at least 8 x 8"


def test_a_run_is_never_overwritten(train, pictures, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.jsonl").write_text("kept\n")
    message = error_line(train("--config", "cifar", "--data", pictures, *TINY, "--out", "run"))
    assert message == "--out run holds a run already (metrics.jsonl), expected a new or empty folder"
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == "kept\n"


def test_a_file_that_cannot_be_written_is_one_line_and_exit_code_1(train, tmp_path):
    (tmp_path / "taken").mkdir()
    process = train("--config", "cifar", "--time", "--device", "cpu", *SMALL_TIMING, "--json", "taken")
    assert error_line(process, code=1) == "taken: Is a directory"
