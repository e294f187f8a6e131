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
