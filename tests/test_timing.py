import json

import pytest

import models
from tinyfft import timing
from tinyfft.config import load_config

SMALL = ["model.channels=[2, 3, 4]", "timing.input_shape=[3, 12, 8]", "timing.classes=5", "batch_size=3"]


def measured(*overrides):
    config = load_config("cifar", [*SMALL, *overrides])
    network = models.build(config, config.timing.input_shape, config.timing.classes)
    return timing.measure(network, config), network


def fft_bytes(network, shapes):
    convolutions = [module for _, module in network.modules() if hasattr(module, "frequency_bytes_formula")]
    return [c.frequency_bytes_formula(shape) for c, shape in zip(convolutions, shapes, strict=True)]


def test_the_report_holds_what_later_tools_read(device):
    report, network = measured("algorithm=fft")
    assert (report["device"], report["device_name"]) == (str(device), device.hardware)
    assert (report["batch_size"], report["precision"]) == (3, "fp32")
    assert report["forward_ms"] > 0
    assert report["images_per_second"] == pytest.approx(3000 / report["iteration_ms"])
    assert report["frequency_bytes"] > 0
    assert report["frequency_bytes_formula"] == max(fft_bytes(network, [(3, 3, 12, 8), (3, 2, 6, 4), (3, 3, 3, 2)]))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert set(report) == {
        *("iteration_ms", "forward_ms", "device", "device_name", "batch_size", "precision", "images_per_second"),
        *("frequency_bytes", "frequency_bytes_formula", "layers"),
    }


def test_every_layer_has_its_row(device):
    report, network = measured("algorithm=fft")
    names = [row["name"] for row in report["layers"]]
    assert names[:2] == ["0 Convolution 3-2 k5x5", "1 BatchNormalization"]
    assert names[-1] == "13 Linear"
    assert len(names) == len(network)
    first, *others = report["layers"]
    assert first["updateGradInput_ms"] is None
    assert first["algorithm"] == {"updateOutput": "fft", "updateGradInput": None, "accGradParameters": "fft"}
    assert others[3]["algorithm"] == dict.fromkeys(timing.PASSES, "fft")
    assert others[0]["algorithm"] is None
    times = [row[f"{name}_ms"] for row in report["layers"] for name in timing.PASSES]
    assert times.count(None) == 1
    assert all(time > 0 for time in times if time is not None)


def test_auto_reports_what_it_chose(device):
    report, _ = measured("algorithm=auto")
    chosen = report["layers"][4]["algorithm"]
    assert set(chosen) == set(timing.PASSES)
    assert set(chosen.values()) <= {"fft", "direct"}


def test_direct_needs_no_frequency_memory(device):
    report, _ = measured("algorithm=direct")
    assert report["frequency_bytes"] == 0
    assert report["frequency_bytes_formula"] > 0


def test_memory_is_that_of_the_iteration_alone(device):
    small, _ = measured("algorithm=fft")
    large, _ = measured("algorithm=fft", "batch_size=64")
    again, _ = measured("algorithm=fft")
    assert small["frequency_bytes"] == again["frequency_bytes"] < large["frequency_bytes"]


def test_the_table_shows_every_row_and_the_whole():
    row = {
        "name": "0 Convolution 3-2 k5x5",
        "updateOutput_ms": 1.5,
        "updateGradInput_ms": None,
        "accGradParameters_ms": 2,
    }
    report = {
        "iteration_ms": 20.0,
        "forward_ms": 5.0,
        "images_per_second": 400.0,
        "batch_size": 8,
        "precision": "tf32",
        "frequency_bytes": 3 * 2**20,
        "frequency_bytes_formula": 2**19,
        "layers": [
            {**row, "algorithm": {"updateOutput": "fft", "updateGradInput": None, "accGradParameters": "direct"}},
            {**row, "name": "1 ReLU", "algorithm": None, "updateGradInput_ms": 0.25},
        ],
    }
    head, first, second, gap, whole, memory = timing.table(report).splitlines()
    assert head.split("  ")[0] == "layer"
    assert all(f"{name} (ms)" in head for name in timing.PASSES)
    assert first.split() == ["0", "Convolution", "3-2", "k5x5", "1.500", "-", "2.000", "fft", "/", "-", "/", "direct"]
    assert second.split() == ["1", "ReLU", "1.500", "0.250", "2.000"]
    assert gap == ""
    assert whole == "iteration 20.000 ms, of which forward 5.000 ms: 400.0 images/s at minibatch 8, tf32"
    assert memory == "frequency memory 3.0 MiB at its peak, 0.5 MiB by the paper's formula"
