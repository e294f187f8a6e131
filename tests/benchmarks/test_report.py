"""The command that is recorded, and the files."""

import argparse
import json

from benchmarks import report


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
