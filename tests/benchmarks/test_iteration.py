"""Tables and figure of whole iterations, from made-up results."""

import json
import re

import pytest

from benchmarks import iteration


def row(*peers, ours=(8.0, 2.0), precision="fp32"):
    figures = {"iteration_ms": ours[0], "forward_ms": ours[1], "peak_bytes": 2**20, "page_faults": 7}
    figures |= {"inference_ms": {1: 0.5, 128: 2.0}}
    return {"config": "paper", "batch_size": 128, "precision": precision, "ours": figures, "peers": list(peers)}


def variant(how, layout, iteration_ms, forward_ms):
    figures = {"optimizer": "fused", "iteration_ms": iteration_ms, "forward_ms": forward_ms, "peak_bytes": 3 * 2**20}
    figures |= {"inference_ms": {1: iteration_ms / 10, 128: forward_ms}}
    return {"how": how, "layout": layout, **figures}


def report_of(*rows):
    return {"machine": {"hardware": "a GPU", "PyTorch": "2.0"}, "command": "python -m it", "rows": list(rows)}


EAGER, GRAPH = variant("eager", "NCHW", 20.0, 1.5), variant("CUDA graph", "channels_last", 16.0, 4.0)
FAILED = {"how": "CUDA graph", "layout": "NCHW", "failure": "operation not permitted"}


def test_each_figure_is_of_the_best_variant():
    lines = iteration.markdown(report_of(row(EAGER, FAILED, GRAPH))).splitlines()
    cells = (
        "paper | 128 | fp32 | 16.00 | CUDA graph, channels_last | 8.00 | **2.00** | 1.50 / 2.00 | **0.75** | 3 / 1 | 7"
    )
    assert f"| {cells} |" in lines


def test_every_variant_has_a_row_and_a_failure_is_named():
    text = iteration.markdown(report_of(row(EAGER, FAILED)))
    assert text.splitlines()[-2:] == [
        "| paper | fp32 | eager, NCHW | fused | 20.00 | 1.50 | 3 |",
        "| paper | fp32 | CUDA graph, NCHW | failed: operation not permitted | - | - | - |",
    ]
    assert "\n- paper, fp32: forward 0.75\n" in text
    assert "fp32: iteration" not in text


def test_inference_has_a_row_for_each_minibatch():
    lines = iteration.markdown(report_of(row(EAGER, FAILED, GRAPH))).splitlines()
    assert "| paper | fp32 | 1 | 1.600 | CUDA graph, channels_last | 0.500 | **3.20** |" in lines
    assert "| paper | fp32 | 128 | 1.500 | eager, NCHW | 2.000 | **0.75** |" in lines


def test_an_error_names_the_row_whose_variants_all_failed():
    with pytest.raises(RuntimeError, match="paper, fp32: every variant failed"):
        iteration.markdown(report_of(row(FAILED)))


def test_the_figure_has_both_times_and_the_ratio_of_each_row(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    (tmp_path / "a.json").write_text(json.dumps(report_of(row(EAGER, FAILED, GRAPH))))
    (tmp_path / "b.json").write_text(json.dumps(report_of(row(EAGER, ours=(2500.0, 1.0), precision="tf32"))))
    command = ["iteration", "--from", "a.json", "b.json", "--plots", "plots", "--markdown", "both.md"]
    monkeypatch.setattr("sys.argv", command)
    monkeypatch.chdir(tmp_path)
    iteration.main()
    drawn = re.findall("<!-- (.*) -->", (tmp_path / "plots" / "iteration.svg").read_text())
    for text in ("16.0 ms", "8.00 ms, 2.0 times as fast", "20.0 ms", "2.50 s, 0.0 times as fast", "a GPU, PyTorch 2.0"):
        assert text in drawn
    assert "| paper | 128 | tf32 |" in (tmp_path / "both.md").read_text()
