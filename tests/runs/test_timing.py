import json
from math import inf

import pytest
from limits import limited
from program import network_of

import models
from tinyfft import autotune
from tinyfft.nn import method_tuner
from tinyfft.runs import timing
from tinyfft.runs.config import load_config

SMALL = [*network_of(2, 3, 4), "timing.input_shape=[3, 12, 8]", "timing.classes=5", "batch_size=3"]


def measured(*overrides):
    config = load_config("cifar", [*SMALL, *overrides])
    network = models.build(config, config.timing.input_shape, config.timing.classes)
    return timing.measure(network, config), network


def fft_bytes(network, shapes):
    convolutions = [module for _, module in network.modules() if hasattr(module, "frequency_bytes_formula")]
    return [c.frequency_bytes_formula(shape) for c, shape in zip(convolutions, shapes, strict=True)]


def test_the_report_has_all_its_keys(device):
    report, network = measured("algorithm=fft")
    assert (report["device"], report["device_name"]) == (str(device), device.hardware)
    assert (report["batch_size"], report["precision"]) == (3, "fp32")
    assert report["forward_ms"] > 0
    assert report["images_per_second"] == pytest.approx(3000 / report["iteration_ms"])
    assert report["frequency_bytes"] > 0
    assert report["frequency_bytes_formula"] == max(fft_bytes(network, SHAPES))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert set(report) == {
        *("iteration_ms", "forward_ms", "device", "device_name", "batch_size", "precision", "images_per_second"),
        *("frequency_bytes", "frequency_bytes_formula", "kept_bytes", "layers"),
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


def test_auto_reports_its_algorithms(device):
    report, _ = measured("algorithm=auto")
    chosen, transforms = (report["layers"][4][key] for key in ("algorithm", "lengths"))
    assert set(chosen) == set(timing.PASSES)
    assert set(chosen.values()) <= {"fft", "direct"}
    assert (transforms is None) == ("fft" not in chosen.values())


def test_direct_needs_no_frequency_memory(device):
    report, _ = measured("algorithm=direct")
    assert report["frequency_bytes"] == report["kept_bytes"] == 0
    assert report["frequency_bytes_formula"] > 0
    assert [row["chunks"] for row in convolutions(report)] == [0, 0, 0]


def convolutions(report):
    return [row for row in report["layers"] if row["algorithm"]]


SHAPES = [(3, 3, 12, 8), (3, 2, 6, 4), (3, 3, 3, 2)]


def test_memory_of_each_layer_and_by_the_papers_formula(device):
    report, network = measured("algorithm=fft")
    rows = convolutions(report)
    assert [row["frequency_bytes_formula"] for row in rows] == fft_bytes(network, SHAPES)
    for row, index, shape in zip(rows, (0, 4, 8), SHAPES, strict=True):
        plan = network[index].plan(shape)
        assert plan.spectra_bytes <= row["frequency_bytes"] <= plan.arena_bytes
        assert (row["kept_bytes"], row["chunks"]) == (0, 1)
        assert (row["lengths"], row["tiles"]) == (list(plan.lengths), plan.tiles)
    assert report["frequency_bytes"] == max(row["frequency_bytes"] for row in rows)
    assert report["kept_bytes"] == 0
    assert "frequency_bytes" not in report["layers"][1]


def test_memory_of_rejected_candidates_is_not_counted(device, monkeypatch, tmp_path):
    monkeypatch.setattr(
        autotune, "benchmark", lambda ways, _: {way: (call(), -len(way))[1] for way, call in ways.items()}
    )
    monkeypatch.setattr(autotune, "_tables", {})
    monkeypatch.setattr(method_tuner, "DIRECT_MAX_OPS_RATIO", {device.kind: inf})
    monkeypatch.setenv("TINYFFT_CACHE", str(tmp_path))
    report, network = measured("algorithm=auto")
    assert network[0].chunks == 1
    assert [(row["frequency_bytes"], row["chunks"]) for row in convolutions(report)] == [(0, 0)] * 3


def test_kept_spectra_are_counted_separately(device):
    report, network = measured("algorithm=fft", "memory=keep")
    rows = convolutions(report)
    for row, index, shape in zip(rows, (0, 4, 8), SHAPES, strict=True):
        plan = network[index].plan(shape)
        assert row["kept_bytes"] == plan.spectrum_bytes("x") + plan.spectrum_bytes("w")
        if index > 0:  # updateGradInput needs the most
            assert row["frequency_bytes"] >= 8 * plan.Q * plan.S * (plan.C + plan.F)
    assert report["kept_bytes"] == sum(row["kept_bytes"] for row in rows)
    recomputed, _ = measured("algorithm=fft")
    for kept, made in zip(rows, convolutions(recomputed), strict=True):
        assert kept["frequency_bytes"] < made["frequency_bytes"]


def test_layers_in_chunks_stay_within_the_limit(device):
    _, network = measured("algorithm=fft")
    plans = [network[index].plan(shape) for index, shape in zip((0, 4, 8), SHAPES, strict=True)]
    limit = max(plan.arena_bytes for plan in plans) - 1
    with limited(device, limit):
        report, _ = measured("algorithm=fft")
    for row, plan in zip(convolutions(report), plans, strict=True):
        assert 0 < row["frequency_bytes"] <= limit
        assert (row["chunks"] > 1) == (plan.arena_bytes > limit)
    assert report["frequency_bytes"] <= limit


def test_memory_does_not_include_earlier_iterations(device):
    small, _ = measured("algorithm=fft")
    large, _ = measured("algorithm=fft", "batch_size=64")
    again, _ = measured("algorithm=fft")
    assert small["frequency_bytes"] == again["frequency_bytes"] < large["frequency_bytes"]


@pytest.fixture
def lines():
    """Return the table of an invented report: a convolution by both methods, a direct one, and a ReLU."""
    times = {"updateOutput_ms": 1.5, "updateGradInput_ms": None, "accGradParameters_ms": 2}
    memory = {"frequency_bytes": 3 * 2**20, "frequency_bytes_formula": 2**19, "kept_bytes": 2**18}
    row = {"name": "0 Convolution 3-2 k5x5", **times, **memory}
    fft = {"chunks": 12, "lengths": [36, 18], "tiles": 4, "algorithm": dict.fromkeys(timing.PASSES)}
    fft["algorithm"] |= {"updateOutput": "fft", "accGradParameters": "direct"}
    direct = {"chunks": 0, "lengths": None, "tiles": None, "algorithm": dict.fromkeys(timing.PASSES, "direct")}
    relu = {"name": "1 ReLU", "algorithm": None, "updateGradInput_ms": 0.25}
    whole = {"iteration_ms": 20.0, "forward_ms": 5.0, "images_per_second": 400.0, "batch_size": 8, "precision": "tf32"}
    report = {**whole, **memory, "layers": [row | fft, row | direct, row | relu]}
    return timing.table(report).splitlines()


def test_the_table_shows_every_row(lines):
    head, first, direct, second, *_ = lines
    assert head.split("  ")[0] == "layer"
    assert all(f"{name} (ms)" in head for name in timing.PASSES)
    assert head.endswith("  memory (MiB)  paper's  kept  chunks    N, tiles  algorithm of each pass")
    cells = "0 Convolution 3-2 k5x5 1.500 - 2.000 3.0 0.5 0.2 12 36 x 18, 4 fft / - / direct"
    assert first.split() == cells.split()
    assert direct.endswith("    3.0      0.5   0.2       -           -  direct / direct / direct")
    assert second.split() == ["1", "ReLU", "1.500", "0.250", "2.000"]


def test_the_table_ends_with_the_whole(lines):
    assert lines[4:] == [
        "",
        "iteration 20.000 ms, of which forward 5.000 ms: 400.0 images/s at minibatch 8, tf32",
        "frequency memory 3.0 MiB at its peak, 0.5 MiB by the paper's formula; 0.2 MiB of kept spectra",
    ]
