"""Figures of the sweeps, from made-up results."""

import json
import sys

import pytest
from made_up import layer_report, layer_row

from benchmarks import sweeps


def made_up(*values):
    rows = [
        layer_row(f"kernel {value}", precision, ours=value / 10, peer=value**2 / 10, sweep="kernel", value=value)
        for value in values
        for precision in ("fp32", "bf16")
    ]
    return layer_report(*rows)


def test_a_sweep_changes_one_size():
    sizes = {sweeps.CENTRE._replace(**{size: values[0]}) for size, values, *_ in sweeps.SWEEPS.values()}
    assert len(sizes) == 3
    assert all(size.k <= size.n for size in sizes)


def test_an_earlier_run_is_drawn(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    (tmp_path / "run.json").write_text(json.dumps(made_up(3, 5, 7)))
    files = ["--from", tmp_path / "run.json", "--plots", tmp_path / "plots", "--markdown", tmp_path / "run.md"]
    monkeypatch.setattr(sys, "argv", ["sweeps", *map(str, files)])
    sweeps.main()
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["kernel.svg"]
    assert "<svg" in (tmp_path / "plots" / "kernel.svg").read_text()
    assert "| kernel 7 | 128 | bf16 |" in (tmp_path / "run.md").read_text()


def test_panels_hold_the_times(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(sweeps.figures, "save_panels", lambda *arguments: drawn.append(arguments))
    sweeps.plot(made_up(3, 5), tmp_path)
    ((path, title, label, unit, panels),) = drawn
    assert (path.name, label, unit) == ("kernel.svg", "kernel size (pixels)", "time (ms)")
    assert title == "96 to 256 maps, minibatch 128, 32 x 32 pixels\na GPU, PyTorch 2.0"
    assert [panel.title for panel in panels] == ["fp32", "bf16"]
    lines = {line.label: line.values for line in panels[0].lines}
    assert panels[0].x == [3, 5]
    assert lines["tinyfft, three passes"] == pytest.approx([0.9, 1.5])
    assert lines["PyTorch, forward"] == pytest.approx([0.9, 2.5])
