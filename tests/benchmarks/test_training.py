"""The benchmark of whole trainings: both sides give the same losses on the same images."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from program import network_of

from tinyfft.backend import current_device
from tinyfft.config import load_config

pytestmark = pytest.mark.torch


@pytest.fixture
def made_up_data(rng):
    images = rng.integers(0, 255, (24, 3, 8, 8), dtype=np.uint8)
    labels = rng.integers(0, 2, 24)
    return SimpleNamespace(
        name="made up",
        train_images=images,
        train_labels=labels,
        test_images=images[:8],
        test_labels=labels[:8],
        classes=("a", "b"),
    )


def test_both_sides_have_the_same_losses(made_up_data):
    from benchmarks import training

    settings = ["batch_size=8", "epochs=2", *network_of(2, 3, 4), "data.crop=1", "optimizer.learning_rate=0.02"]
    settings += ["evaluation.mirror=true"]
    config = load_config("cifar", settings)
    ours, peer = (list(training.measure(side, config, made_up_data, current_device())) for side in training.SIDES)
    assert [metrics["epoch"] for metrics in ours] == [metrics["epoch"] for metrics in peer] == [1, 2]
    for of_ours, of_peer in zip(ours, peer, strict=True):
        for name in ("train_loss", "test_loss"):
            assert of_ours[name] == pytest.approx(of_peer[name], rel=1e-4)


def test_the_page_has_a_row_for_each_epoch():
    from benchmarks import training

    epoch = {"train_seconds": 2.0, "test_accuracy": 0.5}
    found = {"machine": {"hardware": "a CPU"}, "command": "python -m it", "batch_size": 8, "precision": "fp32"}
    sides = {"tinyfft": [epoch, epoch], "PyTorch": [epoch | {"train_seconds": 3.0}]}
    page = training.markdown(found | {"data": "made up", "epochs": sides})
    assert page.splitlines()[-3:] == [
        "| 1 | 2.0 | 3.0 | **1.50** | 0.5000 / 0.5000 |",
        "| 2 | 2.0 | - | - | 0.5000 / - |",
        "| all | 4.0 | - | - | 0.5000 / - |",
    ]
    sides["PyTorch"].append({"train_seconds": 5.0, "test_accuracy": 0.75})
    page = training.markdown(found | {"data": "made up", "epochs": sides})
    assert page.splitlines()[-1] == "| all | 4.0 | 8.0 | **2.00** | 0.5000 / 0.7500 |"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "/nowhere"], "error: /nowhere does not exist"),
        (["--set", "precision=bf16"], "error: --set: precision is bf16, expected fp32 or tf32"),
        (["--set", "epoch=1"], "error: .*epoch"),
    ],
)
def test_a_wrong_request_is_one_line(arguments, message, monkeypatch, capsys):
    from benchmarks import report, training

    monkeypatch.setattr("sys.argv", ["training", "--device", "cpu", *arguments])
    with pytest.raises(SystemExit, match=r"^2$"):
        report.run(training.main)
    assert re.match(message, capsys.readouterr().err)
