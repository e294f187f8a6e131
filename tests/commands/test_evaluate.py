"""train.py --evaluate."""

import json

import numpy as np
import pytest
from program import error_line, metrics, run, save_image

BEST = "run/best.safetensors"


def test_evaluation_agrees_with_training(trained):
    process = run(trained, "--evaluate", "run/checkpoint.safetensors", "--json", "found.json", "--device", "cpu")
    assert process.returncode == 0, process.stderr
    last = metrics(trained / "run")[-1]
    line = f"test accuracy {last['test_accuracy']:.4f}, loss {last['test_loss']:.4f}, 6 images of "
    assert process.stdout.splitlines()[-1].startswith(line)
    found = json.loads((trained / "found.json").read_text())
    assert found["accuracy"] == last["test_accuracy"]
    assert found["loss"] == pytest.approx(last["test_loss"], rel=1e-5)
    assert (np.array(found["confusion"]).sum(axis=1) == 3).all()
    assert found["classes"] == ["blue", "red"]
    rows = [line.split() for line in process.stdout.splitlines()[-3:-1]]
    assert rows == [[name, *map(str, row)] for name, row in zip(found["classes"], found["confusion"], strict=True)]


def test_other_images_are_evaluated(trained, tmp_path):
    for name, other in (("red", "blue"), ("blue", "red")):
        save_image(tmp_path / "mine" / "train" / name / "0.png", colour=name)
        save_image(tmp_path / "mine" / "test" / name / "0.png", colour=other)
    process = run(trained, "--evaluate", BEST, "--data", tmp_path / "mine", "--device", "cpu")
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1].startswith("test accuracy 0.0000, loss ")  # the classes are swapped


def test_other_classes_are_refused(trained, tmp_path):
    for part in ("train", "test"):
        save_image(tmp_path / "mine" / part / "green" / "0.png")
    process = run(trained, "--evaluate", BEST, "--data", tmp_path / "mine", "--device", "cpu")
    assert "the classes of mine are green, expected blue, red" in error_line(process)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--evaluate", "none.safetensors"), "none.safetensors: No such file or directory"),
        (("--evaluate", BEST, "--data", "nowhere"), "nowhere does not exist"),
        (("--evaluate", BEST, "--epochs", "3"), "--epochs does not go with --evaluate"),
        (("--evaluate", BEST, "--no-graph"), "--graph does not go with --evaluate"),
    ],
)
def test_bad_input_is_one_line(trained, arguments, message):
    process = run(trained, *arguments, "--device", "cpu")
    assert message in error_line(process, code=1 if "No such file" in message else 2)
