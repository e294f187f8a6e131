"""Command, machine, tables, files and errors of a report."""

import argparse
import json
import runpy
import sys

import pytest

from benchmarks import report
from tinyfft.backend import Device


def test_the_command_has_every_option_but_files():
    options = argparse.Namespace(device="cpu", batch_size=2, layers=["a", "b"], json="x.json", plots=None, set=[])
    assert report.command("python -m it", options) == "python -m it --device cpu --batch-size 2 --layers a b"


def test_files_hold_the_report_and_the_text(tmp_path):
    options = argparse.Namespace(json=str(tmp_path / "a.json"), markdown=str(tmp_path / "a.md"))
    report.write(options, {"rows": [1.5]}, "text\n")
    assert json.loads((tmp_path / "a.json").read_text()) == {"rows": [1.5]}
    assert (tmp_path / "a.md").read_text() == "text\n"


def test_no_file_that_was_not_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report.write(argparse.Namespace(json=None, markdown=None), {}, "text\n")
    assert list(tmp_path.iterdir()) == []


def test_a_document_names_machine_and_command():
    found = {"machine": {"hardware": "a GPU", "PyTorch": "2.0"}, "command": "python -m it"}
    text = report.document("Title", found, report.table("a | b", "{x} | {y:.1f}", [{"x": 1, "y": 2}]))
    assert text == "# Title\n\na GPU, PyTorch 2.0\n\n`python -m it`\n\n| a | b |\n| --- | --- |\n| 1 | 2.0 |\n"


def test_a_precision_that_the_device_lacks_is_an_error():
    device = Device("cpu")
    assert report.precisions(None, device) == ["fp32"]
    assert report.precisions(["fp32"], device) == ["fp32"]
    with pytest.raises(report.UsageError, match="--precisions: tf32 on cpu, expected fp32"):
        report.precisions(["fp32", "tf32"], device)


def resumed(tmp_path, **changed):
    """Resume a file with one row. Returns the result and the rows of the report."""
    earlier = {
        "machine": {"hardware": "a GPU"},
        "command": "python -m it",
        "rows": [{"layer": "a", "precision": "fp32"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(earlier))
    found = {"machine": earlier["machine"], "command": earlier["command"]} | changed
    return report.resume(argparse.Namespace(resume=True, json=str(tmp_path / "a.json")), found), found["rows"]


def test_resume_keeps_the_rows_of_the_file(tmp_path):
    assert resumed(tmp_path) == ({("a", "fp32")}, [{"layer": "a", "precision": "fp32"}])


@pytest.mark.parametrize("changed", [{"machine": {"hardware": "another"}}, {"command": "python -m other"}], ids=str)
def test_no_rows_of_another_machine_or_command(tmp_path, changed):
    (name,) = changed
    with pytest.raises(report.UsageError, match=f"--resume: the {name} of .*a.json is "):
        resumed(tmp_path, **changed)


def test_without_resume_the_file_is_not_read(tmp_path):
    found = {}
    assert report.resume(argparse.Namespace(resume=False, json=str(tmp_path / "none.json")), found) == set()
    assert found == {}


def test_resume_needs_a_file():
    with pytest.raises(report.UsageError, match="--resume: no --json FILE"):
        report.resume(argparse.Namespace(resume=True, json=None), {})


@pytest.mark.parametrize(
    "error", [report.UsageError("no such thing"), FileNotFoundError(2, "No such file", "a.json")], ids=["usage", "file"]
)
def test_a_wrong_request_is_one_line(error, capsys):
    def main():
        raise error

    with pytest.raises(SystemExit) as caught:
        report.run(main)
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"error: {error}\n"


def files_of(tmp_path, *machines):
    """Write a report of one row for each machine. Returns the paths."""
    paths = [tmp_path / f"{number}.json" for number in range(len(machines))]
    for number, (path, machine) in enumerate(zip(paths, machines, strict=True)):
        path.write_text(json.dumps({"machine": machine, "command": f"python -m it {number}", "rows": [number]}))
    return list(map(str, paths))


def test_reports_of_one_machine_are_joined(tmp_path):
    found = report.earlier(files_of(tmp_path, "a GPU", "a GPU"))
    assert found == {"machine": "a GPU", "command": "python -m it 0; python -m it 1", "rows": [0, 1]}


def test_reports_of_two_machines_are_not_joined(tmp_path):
    with pytest.raises(report.UsageError, match=r"--from: the machine of .*1.json is a CPU, expected a GPU"):
        report.earlier(files_of(tmp_path, "a GPU", "a CPU"))


@pytest.mark.parametrize(
    "command",
    [
        "iteration --device cpu",
        "layers --device cpu",
        "methods --device cpu",
        "sweeps --device cpu",
        "training --device cpu",
        "resident_memory cifar --side NCHW",
    ],
)
def test_a_benchmark_without_pytorch_says_what_to_install(command, monkeypatch, capsys):
    name, *words = command.split()
    for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == "benchmarks"]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, "torch", None)  # import torch fails as where it is not installed
    monkeypatch.setattr("sys.argv", [name, *words])
    with pytest.raises(SystemExit, match=r"^2$"):
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    assert capsys.readouterr().err == 'error: torch is not installed: pip install -e ".[benchmarks]"\n'


def test_another_missing_module_is_a_bug():
    def main():
        raise ModuleNotFoundError("No module named 'tinyffft'", name="tinyffft")

    with pytest.raises(ModuleNotFoundError):
        report.run(main)
