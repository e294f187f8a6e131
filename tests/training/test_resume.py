"""A resumed run ends with the same metrics and weights as one that was not interrupted."""

import json
import re
import shutil
import signal
import time

import pytest
from program import TINY, error_line, metrics, network_of, run, start

from tinyfft.training import checkpoint

LONG = (*TINY, "model.dropout=0.2", "epochs=12", "checkpoint.every_steps=3", "validation.fraction=0.2")


def weights(run):
    arrays, _ = checkpoint.read(run / "checkpoint.safetensors")
    return {name: array.tobytes() for name, array in arrays.items()}


def steps(run):
    return json.loads(checkpoint.read(run / "checkpoint.safetensors")[1]["training"])["step"]


@pytest.fixture(scope="session")
def whole(pictures, tmp_path_factory):
    """Return (metrics, weights) of a run without interruption, with one algorithm: two runs may choose two by time."""
    folder = tmp_path_factory.mktemp("whole")
    options = ("--config", "cifar", "--data", pictures, "--device", "cpu", *LONG, "algorithm=fft", "--out", "run")
    process = run(folder, *options)
    assert process.returncode == 0, process.stderr
    return metrics(folder / "run"), weights(folder / "run")


@pytest.fixture(scope="session")
def ended(pictures, tmp_path_factory):
    """Return the folder of a finished run of one epoch."""
    folder = tmp_path_factory.mktemp("ended")
    process = run(folder, "--config", "cifar", "--data", pictures, "--device", "cpu", *TINY, "--out", "run")
    assert process.returncode == 0, process.stderr
    return folder / "run"


def begin(tmp_path, pictures, *more):
    arguments = ("--config", "cifar", "--data", pictures, "--device", "cpu", *LONG, "algorithm=fft", "--out", "run")
    return start(tmp_path, *arguments, *more)


def stop(process, number, line):
    """Send a signal after a line that begins with `line`; return (exit code, remaining standard output, errors)."""
    with process:
        try:
            while not process.stdout.readline().startswith(line):
                assert process.poll() is None, process.stderr.read()
            process.send_signal(number)
            out, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, out, errors


@pytest.mark.parametrize(
    ("number", "code", "line"), [(signal.SIGINT, 130, "layer 0"), (signal.SIGTERM, 143, "epoch 1/")]
)
def test_a_signal_ends_the_run_after_the_minibatch_and_it_resumes(train, pictures, tmp_path, whole, number, code, line):
    found, out, errors = stop(begin(tmp_path, pictures), number, line)
    assert found == code
    name = signal.Signals(number).name
    assert errors == f"train.py: {name}: ends after this minibatch, a second one at once\n"
    last = out.splitlines()[-1]
    assert re.fullmatch(rf"stopped by {name} after \d+ steps; python train.py --resume run goes on", last)
    assert f" {steps(tmp_path / 'run')} steps;" in last

    process = train("--resume", "run")
    assert process.returncode == 0, process.stderr
    assert f"goes on after {last.split()[4]} steps" in process.stdout
    assert (metrics(tmp_path / "run"), weights(tmp_path / "run")) == whole


def test_a_second_signal_ends_at_once(pictures, tmp_path):
    # a single minibatch, which takes long enough to receive the second signal
    process = begin(tmp_path, pictures, "--set", *network_of(400, 400, 400), "batch_size=20")
    with process:
        try:
            while not (tmp_path / "run" / "checkpoint.safetensors").exists():
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert steps(tmp_path / "run") in (0, 1)


def test_a_resumed_run_keeps_the_algorithms_that_were_chosen(train, pictures, tmp_path):
    auto = ("--set", "algorithm=auto")
    found, _, _ = stop(begin(tmp_path, pictures, *auto), signal.SIGINT, "layer 8")
    assert found == 130
    before = json.loads(checkpoint.read(tmp_path / "run" / "checkpoint.safetensors")[1]["training"])["choices"]
    assert train("--resume", "run").returncode == 0
    after = json.loads(checkpoint.read(tmp_path / "run" / "checkpoint.safetensors")[1]["training"])["choices"]
    for layer, choices in before.items():
        assert choices
        assert after[layer][: len(choices)] == choices


def test_without_a_name_the_latest_run_is_resumed(train, pictures, tmp_path):
    options = ("--config", "cifar", "--data", pictures, "--device", "cpu", *TINY)
    for name in ("old", "new"):
        assert train(*options, "--out", f"runs/{name}").returncode == 0
    process = train("--resume")
    assert process.returncode == 0, process.stderr
    assert "writing to runs/new" in process.stdout
    assert "goes on after 5 steps" in process.stdout


def test_an_earlier_epoch_is_resumed_in_a_folder_of_its_own(train, pictures, tmp_path, whole):
    options = ("--config", "cifar", "--data", pictures, "--device", "cpu", *LONG, "algorithm=fft", "--out", "run")
    assert train(*options, "--set", "checkpoint.keep=12").returncode == 0
    message = error_line(train("--resume", "run/epoch-0002.safetensors"))
    assert message.endswith("is not its folder's latest checkpoint, expected a new folder with --out DIR")
    process = train("--resume", "run/epoch-0002.safetensors", "--out", "again")
    assert process.returncode == 0, process.stderr
    assert (metrics(tmp_path / "again"), weights(tmp_path / "again")) == whole


def test_keys_that_change_no_result_may_be_changed(train, pictures, tmp_path, whole):
    assert stop(begin(tmp_path, pictures), signal.SIGINT, "epoch 1/")[0] == 130
    process = train("--resume", "run", "--set", "data.workers=0", "checkpoint.keep=0")
    assert process.returncode == 0, process.stderr
    assert (metrics(tmp_path / "run"), weights(tmp_path / "run")) == whole


def test_a_checkpoint_with_an_automatic_arena_limit_is_resumed(train, pictures, tmp_path, whole):
    """Older versions had arena.limit_bytes = "auto", and kept the limit that they had found."""
    assert stop(begin(tmp_path, pictures), signal.SIGINT, "epoch 1/")[0] == 130
    path = tmp_path / "run" / "checkpoint.safetensors"
    arrays, metadata = checkpoint.read(path)
    metadata["config"] = metadata["config"].replace("limit_bytes = 0", 'limit_bytes = "auto"')
    metadata["training"] = json.dumps(json.loads(metadata["training"]) | {"arena": 12345})
    checkpoint.save(path, arrays, metadata)
    process = train("--resume", "run")
    assert process.returncode == 0, process.stderr
    assert "limit_bytes = 0\n" in (tmp_path / "run" / "config.toml").read_text()
    assert (metrics(tmp_path / "run"), weights(tmp_path / "run")) == whole


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--epochs", "9"), "--resume: the checkpoint was made with another epochs"),
        (("--set", "optimizer.momentum=0.5", "seed=3"), "made with another seed, another optimizer.momentum"),
        (("--config", "paper"), "another batch_size"),
        (("--data", "other"), "other does not exist"),
        (("--out", "run"), "--out run holds a run already"),
    ],
)
def test_keys_that_change_results_are_refused(train_here, ended, tmp_path, arguments, message):
    shutil.copytree(ended, tmp_path / "run")
    before = weights(tmp_path / "run")
    process = train_here("--resume", "run", *arguments)
    assert process.returncode == 2
    assert message in process.stderr.splitlines()[-1]
    assert weights(tmp_path / "run") == before


def test_other_images_are_refused(train, pictures, tmp_path):
    other = tmp_path / "other"
    for picture in pictures.rglob("*.png"):
        target = other / picture.relative_to(pictures)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(picture.read_bytes())
    assert train("--config", "cifar", "--data", other, "--device", "cpu", *TINY, "--out", "run").returncode == 0
    (other / "train" / "red" / "0.png").write_bytes((other / "train" / "red" / "1.png").read_bytes())
    process = train("--resume", "run")
    assert process.returncode == 2
    assert "the data other are not those of the checkpoint (other), other pixels" in process.stderr
    (other / "train" / "red" / "0.png").unlink()
    assert "other training_pictures" in train("--resume", "run").stderr


def test_a_checkpoint_names_the_folder_of_images(train, pictures, tmp_path):
    data = tmp_path / "mine"
    data.symlink_to(pictures)
    assert train("--config", "cifar", "--data", data, "--device", "cpu", *TINY, "--out", "run").returncode == 0
    metadata = checkpoint.read(tmp_path / "run" / "checkpoint.safetensors")[1]
    assert json.loads(metadata["data"])["directory"] == str(pictures.resolve())


def test_a_missing_checkpoint_is_one_line(train_here, tmp_path):
    assert error_line(train_here("--resume")) == "--resume: there is no runs/*/checkpoint.safetensors here"
    assert error_line(train_here("--resume", "nowhere")) == "--resume: there is no nowhere"
    (tmp_path / "empty").mkdir()
    assert error_line(train_here("--resume", "empty")) == "--resume: there is no empty/checkpoint.safetensors"
    (tmp_path / "empty" / "checkpoint.safetensors").write_text("no checkpoint at all")
    assert "empty/checkpoint.safetensors is not a checkpoint, or damaged" in error_line(train_here("--resume", "empty"))
