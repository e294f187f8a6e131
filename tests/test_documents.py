"""Each command and example of README and the other documents is taken from the text and run."""

import shlex
import subprocess
import sys

import pytest
from documents import PICTURES, commands, examples
from program import ROOT, environment, network_of, run

SHORT = ("--epochs", "1", "--set", *network_of(2, 2, 2), "batch_size=50", "precision=fp32")
OF_TRAIN = commands(r"train\.py")


@pytest.fixture(scope="session")
def there(pictures, tmp_path_factory):
    """A folder in which the commands find what they name: 26 pictures, a run, one picture."""
    folder = tmp_path_factory.mktemp("documents")
    for name in PICTURES:
        (folder / name).symlink_to(pictures)
    options = ("--config", "cifar", "--data", "PICTURES", "--device", "cpu", *SHORT, "--out", "runs/NAME")
    process = run(folder, *options)
    assert process.returncode == 0, process.stderr
    (folder / "a.jpg").write_bytes((pictures / "test" / "red" / "1.png").read_bytes())
    (folder / "FILE").touch()
    return folder


def test_the_documents_have_commands_and_examples():
    assert len(OF_TRAIN) >= 8
    assert len(examples()) >= 2


@pytest.mark.parametrize("command", OF_TRAIN)
def test_a_command_runs(there, command):
    words = shlex.split(command)
    trains = not {"--time", "--evaluate", "--predict", "--resume", "--help", "--list"} & {*words}
    if trains:
        words += [*SHORT, *(() if "--data" in words else ("--data", "PICTURES"))]
    if "folder" in words:
        words += ["--set", "model.kernel_sizes=[3,3,3]", "model.pool_after=[1,2,3]", "data.size=16"]
    if "--time" in words:
        words += ["--set", "timing.input_shape=[3,8,8]", "batch_size=2", "algorithm=fft"]
    process = run(there, *words, *(() if "--help" in words else ("--device", "cpu")))
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize(("name", "block"), examples(), ids=lambda value: value[:20])
def test_an_example_runs(tmp_path, name, block):
    environ = environment(tmp_path) | {"PYTHONPATH": str(ROOT)}
    options = {"cwd": tmp_path, "env": environ, "capture_output": True, "text": True, "timeout": 120}
    process = subprocess.run([sys.executable, "-c", block], **options)
    assert process.returncode == 0, process.stderr
    if "trainer.fit" in block:
        last = process.stdout.splitlines()[-1].split()
        assert last[0] == "4"
        assert float(last[1]) > 0.9
        again = subprocess.run([sys.executable, "-c", block], **options)
        assert (again.returncode, again.stdout) == (0, "")  # all epochs are done
        assert len(block.splitlines()) <= 27
