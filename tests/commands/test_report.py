"""report.html, written by train.py."""

import json
import re
import resource
import sys
from functools import partial

import program
import pytest
from program import LAST_LINE, TINY, metrics

from tinyfft.training import checkpoint

OPTIONS = ("--config", "cifar", "--device", "cpu", *TINY, "epochs=2", "algorithm=fft")


@pytest.fixture(scope="module")
def run(pictures, tmp_path_factory):
    """Return (folder, page) of a run of two epochs."""
    folder = tmp_path_factory.mktemp("reported")
    process = program.run(folder, *OPTIONS, "--data", pictures, "--out", "run", report=True)
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return folder / "run", (folder / "run" / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def train(tmp_path):
    """Return a function that runs train.py with matplotlib and returns the finished process."""
    return lambda *arguments: program.run(tmp_path, *arguments, report=True)


def row(page, name):
    """Return the cell beside a heading."""
    return re.search(rf'<th scope="row">{name}</th><td>([^<]*)</td>', page)[1]


def test_it_shows_the_metrics_of_the_run(run):
    folder, page = run
    epochs = metrics(folder)
    accuracies = [epoch["test_accuracy"] for epoch in epochs]
    assert row(page, "epochs") == "2 of 2"
    assert row(page, "minibatches") == "10"
    assert row(page, "best epoch") == f"{accuracies.index(max(accuracies)) + 1}, chosen on the test images themselves"
    assert row(page, "last epoch, test accuracy") == f"{accuracies[-1]:.4f}"
    assert row(page, "this page&#x27;s network, test accuracy") == f"{accuracies[-1]:.4f}"
    assert row(page, "device") == "cpu"
    assert row(page, "Python") == ".".join(map(str, sys.version_info[:3]))
    assert re.search(r"<pre>python \S*train.py --config cifar --device cpu .* --out run</pre>", page)
    assert "batch_size = 4" in page


def test_images_kernels_and_layers_are_there(run):
    _, page = run
    assert page.count("data:image/png;base64,") == 6 + 2  # all test images; kernels and spectra
    assert "2 kernels of 5 x 5" in page
    assert "0 Convolution 3-2 k5x5" in page
    assert not re.search(r"https?:", page)


def test_it_leaves_the_checkpoint_alone(run, train, pictures, tmp_path, monkeypatch):
    folder, _ = run
    without_matplotlib(tmp_path, monkeypatch)
    assert train(*OPTIONS, "--data", pictures, "--out", "run").returncode == 0
    ours, plain = (checkpoint.read(path / "checkpoint.safetensors") for path in (folder, tmp_path / "run"))
    assert {name: a.tobytes() for name, a in ours[0].items()} == {name: a.tobytes() for name, a in plain[0].items()}
    records = [json.loads(metadata["training"]) for _, metadata in (ours, plain)]
    assert records[0]["random"] == records[1]["random"]


def without_matplotlib(tmp_path, monkeypatch):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "matplotlib.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"), prepend=":")


def test_without_matplotlib_a_line_says_so_and_resuming_writes_it(train, pictures, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        without_matplotlib(tmp_path, patched)
        process = train(*OPTIONS, "--data", pictures, "--out", "run")
    assert process.returncode == 0, process.stderr
    *_, last, line = process.stdout.splitlines()
    assert re.fullmatch(LAST_LINE, last)
    assert line == (
        "no report.html: charts need matplotlib (not here): pip install -e '.[report]'; "
        "then python train.py --resume run writes it"
    )
    assert not (tmp_path / "run" / "report.html").exists()
    assert train("--resume", "run").returncode == 0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    commands = re.findall(r"<pre>(python [^<]*)</pre>", page)
    assert [each.split("train.py ")[1][:8] for each in commands] == ["--config", "--resume"]


def test_validation_images_are_named(train, pictures, tmp_path):
    process = train(*OPTIONS, "validation.fraction=0.2", "--data", pictures, "--out", "run")
    assert process.returncode == 0, process.stderr
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert re.fullmatch(r"[12], chosen on the validation images", row(page, "best epoch"))


def test_a_full_disk_is_one_line_and_the_checkpoint_is_whole(pictures, tmp_path):
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (40_000, 40_000))
    options = {"report": True, "preexec_fn": limit}
    process = program.run(tmp_path, *OPTIONS, "--data", pictures, "--out", "run", **options)
    assert process.returncode == 1
    assert process.stderr == "train.py: error: run/report.html: File too large\n"
    assert len(json.loads(checkpoint.read(tmp_path / "run" / "checkpoint.safetensors")[1]["training"])["history"]) == 2
    assert not (tmp_path / "run" / "report.html").exists()
    assert not list((tmp_path / "run").glob(".*"))
