"""The benchmark of the two methods: every pass of each, and the methods that "auto" chooses."""

import json

import pytest

from benchmarks.shapes import Layer
from tinyfft import autotune
from tinyfft.backend import current_device
from tinyfft.nn.convolution_layer import PASSES

pytestmark = pytest.mark.torch


def test_each_method_is_timed_beside_the_peer(monkeypatch, tmp_path):
    from benchmarks import layer_timing, methods, peers

    called = []

    def milliseconds(call, device, ahead):
        called.append(call())
        return 1.0 if len(called) > 4 * methods.ROUNDS * 2 else 2.0

    monkeypatch.setattr(layer_timing, "milliseconds", milliseconds)
    monkeypatch.setattr(peers, "passes", lambda *_: dict.fromkeys(PASSES))
    monkeypatch.setattr(peers, "time_passes", lambda calls, device: (dict.fromkeys(PASSES, 1.0), {}))
    monkeypatch.setattr(autotune, "_tables", {})
    monkeypatch.setenv("TINYFFT_CACHE", str(tmp_path))
    monkeypatch.setattr(
        autotune, "benchmark", lambda candidates, device: {name: 1.0 for name in candidates if not candidates[name]()}
    )
    row = methods.measure(Layer(2, 2, 3, 12, 3, "same"), "fp32", current_device())
    assert len(called) == 3 * 4 * methods.ROUNDS  # methods, and three passes with their sum
    assert set(row["chosen"].values()) == {"fft"}
    assert row["peer"] == {**dict.fromkeys(PASSES, 1.0), "sum": 3.0}
    assert row["direct_share"] == row["direct"]["sum"] / 3


def test_the_convolutions_of_configs_are_measured_once_each():
    from benchmarks import methods

    found = methods.of_configs(["cifar-fast", "paper", "cifar-fast"])
    assert len(found) == 6 + 5
    assert found["cifar-fast 7.0"] == (Layer(256, 128, 128, 16, 3, "same"), "tf32")  # and 7.3, and two behind 8
    assert found["paper 2"] == (Layer(128, 96, 256, 32, 7, "same"), "fp32")


def test_resume_measures_no_row_again(monkeypatch, tmp_path):
    from benchmarks import methods, peers

    times, measured = dict.fromkeys((*PASSES, "sum"), 1.0), []

    def measure(layer, precision, device):
        measured.append(layer.k)
        chosen = dict.fromkeys(PASSES, "fft")
        sides = dict.fromkeys(("peer", *methods.METHODS), times)
        shares = {"direct_share": 1.0, "auto_share": 1.0}
        return {"shape": layer._asdict(), "precision": precision, "chosen": chosen, **sides, **shares}

    monkeypatch.setattr(methods, "measure", measure)
    monkeypatch.setattr(peers, "prepare", lambda device: {})
    command = ["methods", "--device", "cpu", "--layers", "net-L2", "net-L3", "--json", str(tmp_path / "a.json")]
    for again in ([], ["--resume"]):
        monkeypatch.setattr("sys.argv", command + again)
        methods.main()
        assert measured == [7, 5]
    assert [row["layer"] for row in json.loads((tmp_path / "a.json").read_text())["rows"]] == ["net-L2", "net-L3"]
