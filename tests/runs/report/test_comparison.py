"""The comparison of runs: on the terminal, on a page, and from the command line."""

import subprocess
import sys

import numpy as np
import pytest
from made_up_run import CONFIG, Page, history, run, save
from program import ROOT

from tinyfft.runs import report
from tinyfft.runs.report import comparison
from tinyfft.runs.report.__main__ import main
from tinyfft.training import checkpoint

OTHER = CONFIG.replace("[2, 3]", "[4, 3]").replace("epochs = 3", "epochs = 5\nseed = 2")


ONE = ["runs/one", "mine", "3", "0.7500", "2", "the test images themselves", "0.6250", "0.5000", "3.8"]
TWO = ["runs/two", "other", "1", "0.3750", "1", "the validation images", "0.2500", "1.5000", "1.2"]


def two():
    return [run(history(0.5, 0.75, 0.625)), run(history(0.25, validation=(0.375,)), OTHER, "runs/two", "other")]


def test_exactly_the_differing_keys_are_named():
    assert comparison.differences(two()) == [
        ("epochs", "3", "5"),
        ("model.channels", "[2, 3]", "[4, 3]"),
        ("seed", "-", "2"),
    ]
    assert comparison.differences([run(history(0.5)), run(history(0.75))]) == []


def test_the_table_on_the_terminal():
    lines = [line.split("  ") for line in report.comparison_table(two()).splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells == [
        *([*comparison.HEAD], ONE, TWO, []),
        ["key", "runs/one", "runs/two"],
        ["epochs", "3", "5"],
        ["model.channels", "[2, 3]", "[4, 3]"],
        ["seed", "-", "2"],
    ]


def test_the_page_says_the_same():
    text = report.comparison_page(two())
    page = Page(text)
    assert page.sections == ["results", "curves", "differences"]
    assert [row[1:] for row in page.rows["results"]] == [[*comparison.HEAD[1:]], ONE[1:], TWO[1:]]
    assert page.rows["differences"][1:] == [list(row) for row in comparison.differences(two())]
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert len(page.ids) == len(set(page.ids))
    assert "http" not in text


def test_names_are_escaped():
    hostile = run(history(0.5), OTHER.replace("convnet", "<b>"), "runs/<script>_$")
    page = Page(report.comparison_page([hostile, two()[0]]))
    assert not {"script", "b"} & set(page.tags)
    assert page.rows["results"][1][0] == "runs/<script>_$"


def test_one_run_and_runs_without_an_epoch():
    empty = run([], path="runs/empty")
    assert report.comparison_table([empty]).splitlines()[1].split() == ["runs/empty", "mine", "0", *"-----", "0.0"]
    page = Page(report.comparison_page([empty]))
    assert "All configurations are the same." not in page.texts["differences"]
    assert "There is only one run." in page.texts["differences"]


def test_a_folder_is_read(tmp_path):
    epochs = history(0.5, 0.75)
    found = report.read(save(tmp_path / "one", epochs))
    assert (found.history, found.step, found.config, found.best) == (epochs, 12, CONFIG, 2)
    assert found.settings["optimizer.learning_rate"] == 0.1


def test_the_command_prints_the_table_and_writes_the_page(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [str(save(tmp_path / name, history(0.5)).relative_to(tmp_path)) for name in ("one", "two")]
    assert main([*names, "--out", "page.html"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["run", "one", "two"]
    assert lines[-1] == "page.html shows their curves"
    assert Page((tmp_path / "page.html").read_text()).rows["results"][2][0] == "two"


def test_the_command_has_a_short_name():
    command = [sys.executable, "-m", "tinyfft.report", "nowhere"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert process.returncode == 2
    assert process.stderr.startswith("python -m tinyfft.report: error: nowhere does not exist")


def bad(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "checkpoint.safetensors").write_text("no")
    (tmp_path / "weights").mkdir()
    checkpoint.save(tmp_path / "weights" / "checkpoint.safetensors", {"w": np.zeros(1)}, {})
    save(tmp_path / "odd", history(0.5), "a = ")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "nowhere does not exist, expected the folder of a run"),
        ("file", "file is a file, expected the folder of a run"),
        ("empty", "empty holds no run: there is no checkpoint.safetensors in it"),
        ("damaged", "damaged/checkpoint.safetensors is not a checkpoint, or damaged: "),
        ("weights", "weights/checkpoint.safetensors holds weights alone, expected the checkpoint of a training"),
        ("odd", "odd: the configuration is not TOML: "),
    ],
)
def test_a_bad_run_is_one_line_and_exit_code_2(tmp_path, capsys, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    bad(tmp_path)
    assert main([name, name]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"python -m tinyfft.report: error: {message}")
    assert not (tmp_path / "comparison.html").exists()


def test_a_missing_argument_is_one_line(capsys):
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_without_matplotlib_it_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main([str(save(tmp_path / "one", history(0.5)))]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(": pip install -e '.[report]'")


def test_a_page_that_cannot_be_written_is_one_line(tmp_path, capsys):
    run = str(save(tmp_path / "one", history(0.5)))
    assert main([run, "--out", str(tmp_path / "no" / "page.html")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"python -m tinyfft.report: error: {tmp_path}/no/page.html: No such file or directory"
