"""The options of train.py, --help, --list, and errors in the options."""

import subprocess
import sys

import pytest
from program import ROOT, error_line

import tinyfft


def test_list_says_what_each_config_is_for(train_here):
    process = train_here("--list")
    assert process.returncode == 0
    listed = dict(line.split(maxsplit=1) for line in process.stdout.splitlines())
    assert [*listed] == sorted(file.stem for file in (ROOT / "configs").glob("*.toml"))
    assert listed["cifar"] == "A small network for 32 x 32 images"
    assert not any(":" in about or "#" in about for about in listed.values())


def test_help_answers_without_numpy():
    code = (
        "import sys, train\n"
        "try: train.main(['--help'])\n"
        "except SystemExit as stop: print(stop.code, 'numpy' in sys.modules, 'cupy' in sys.modules)\n"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert process.stdout.splitlines()[-1] == "0 False False"
    for option in ("--config", "--data", "--device", "--epochs", "--batch-size", "--seed", "--set", "--out", "--time"):
        assert option in process.stdout
    assert "examples:" in process.stdout


def test_version(train):
    process = train("--version")
    assert (process.returncode, process.stdout) == (0, f"tinyfft {tinyfft.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--config is missing, expected NAME (--list shows the names), or --resume"),
        (("--config", "cfar"), "unknown config 'cfar', expected one of cifar, "),
        (("--config", "none.toml"), "none.toml: cannot be read: No such file or directory"),
        (("--config", "cifar", "--sett", "a=1"), "unrecognized arguments: --sett a=1"),
        (("--config", "cifar", "--set", "epoch=1"), "unknown key epoch, did you mean epochs?"),
        (("--config", "cifar", "--set", "data.flip=much"), 'data.flip is "much" (a string), expected true or false'),
        (("--config", "cifar", "--set", "epochs"), "--set epochs: expected key=value"),
        (("--config", "cifar", "--batch-size", "0"), "batch_size is 0, expected at least 1"),
        (("--config", "cifar", "--epochs", "0"), "epochs is 0, expected at least 1"),
        (("--config", "cifar", "--epochs", "ten"), 'epochs is "ten" (a string), expected an integer'),
        (("--config", "cifar", "--seed", "-1"), "seed is -1, expected at least 0"),
        (("--config", "cifar", "--data", "nowhere"), "nowhere does not exist"),
        (("--config", "folder"), 'data.name is "folder", expected the folder of images too (--data DIR)'),
        (("--config", "folder", "--set", "data.name=cifar10-sample"), "data.size is 64, expected 0: the images of"),
        (("--config", "cifar", "--device", "tpu"), "--device is 'tpu', expected auto, cpu, cuda or cuda:N"),
        (("--config", "cifar", "--device", "cuda"), "device cuda does not work: "),
        (("--config", "cifar", "--json", "t.json"), "--json needs --time or --evaluate"),
        (("--config", "cifar", "--time", "--resume"), "--resume and --time are two commands, expected one"),
        (("--time",), "--time needs --config"),
        (("--config", "cifar", "--time", "--json", "no/t.json"), "--json no/t.json: there is no folder no"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(train_here, tmp_path, arguments, message):
    assert message in error_line(train_here(*arguments))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize("mode", [("--time",), ("--data",)])
def test_a_precision_of_gpus_is_refused_on_the_cpu(train_here, pictures, tmp_path, mode, precision):
    mode = (*mode, pictures) if mode == ("--data",) else mode
    message = error_line(train_here("--config", "cifar", "--device", "cpu", "--set", f"precision={precision}", *mode))
    assert precision in message
    assert "cpu" in message
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "mine.toml: unknown key epoch, did you mean epochs?"),
        ("epochs = 'x'", 'mine.toml: epochs is "x" (a string), expected an integer'),
        ("epochs =", "mine.toml: not valid TOML"),
    ],
)
def test_a_bad_config_file_is_named(train_here, tmp_path, text, message):
    (tmp_path / "mine.toml").write_text(text)
    assert message in error_line(train_here("--config", "mine.toml"))
