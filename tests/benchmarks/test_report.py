"""The command that is recorded, and the files."""

import argparse
import json

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
    text = report.document("Title", found, report.table(("a", "b"), [("1", "2")]))
    assert text == "# Title\n\na GPU, PyTorch 2.0\n\n`python -m it`\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"


def test_what_a_device_cannot_compute_is_named():
    device = Device("cpu")
    assert report.precisions(None, device) == ["fp32"]
    assert report.precisions(["fp32"], device) == ["fp32"]
    with pytest.raises(report.UsageError, match="--precisions: tf32 on cpu, expected fp32"):
        report.precisions(["fp32", "tf32"], device)


def resumed(tmp_path, **changed):
    """What `resume` makes of a file with one row, and the rows it took over."""
    earlier = {
        "machine": {"hardware": "a GPU"},
        "command": "python -m it",
        "rows": [{"layer": "a", "precision": "fp32"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(earlier))
    found = earlier | {"rows": []} | changed
    return report.resume(argparse.Namespace(resume=True, json=str(tmp_path / "a.json")), found), found["rows"]


def test_a_run_goes_on_with_the_rows_it_has(tmp_path):
    assert resumed(tmp_path) == ({("a", "fp32")}, [{"layer": "a", "precision": "fp32"}])


@pytest.mark.parametrize("changed", [{"machine": {"hardware": "another"}}, {"command": "python -m other"}], ids=str)
def test_no_rows_of_another_machine_or_command(tmp_path, changed):
    (name,) = changed
    with pytest.raises(report.UsageError, match=f"--resume: the {name} of .*a.json is "):
        resumed(tmp_path, **changed)


def test_nothing_is_taken_over_unasked(tmp_path):
    found = {"rows": []}
    assert report.resume(argparse.Namespace(resume=False, json=str(tmp_path / "none.json")), found) == set()
    assert found == {"rows": []}


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
