"""Damaged and hostile checkpoints and configs: each gives an error of one line or a correct result, in time.

TINYFFT_FUZZ is the number of files (50), a quarter of each kind: two here, two in tests/datasets/test_fuzzed_data.py.
A file depends only on its number.
"""

import pytest
from mutations import EACH, in_time, mutated
from program import TINY, run

import train
from tinyfft.runs.config import ConfigError, load_config, parse_config, to_toml
from tinyfft.training import checkpoint


@pytest.fixture(scope="session")
def valid_checkpoint(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzzed")
    process = run(folder, "--config", "cifar", "--data", pictures, "--device", "cpu", *TINY, "--out", "run")
    assert process.returncode == 0, process.stderr
    return (folder / "run" / "checkpoint.safetensors").read_bytes()


@pytest.mark.parametrize("number", range(EACH))
def test_checkpoints(valid_checkpoint, tmp_path, capsys, monkeypatch, number):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYFFT_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(valid_checkpoint)
    whole = checkpoint.read(path)
    path.write_bytes(mutated(valid_checkpoint, number))
    for mode in ("--evaluate", "--resume"):
        with in_time():
            arguments = [mode, str(path), "--device", "cpu"] + (["--out", "again"] if mode == "--resume" else [])
            code = train.main(arguments)
        errors = capsys.readouterr().err.splitlines()
        if code == 0:
            arrays, metadata = checkpoint.read(path)
            assert metadata == whole[1]
            assert {name: a.tobytes() for name, a in arrays.items()} == {n: a.tobytes() for n, a in whole[0].items()}
        else:
            assert (code, len(errors)) == (2, 1), errors
            assert errors[0].startswith("train.py: error: ")
            assert str(path) in errors[0]


@pytest.mark.parametrize("number", range(EACH))
def test_configs(tmp_path, capsys, number):
    text = to_toml(load_config("cifar")).encode()
    path = tmp_path / "mine.toml"
    path.write_bytes(mutated(text, number))
    with in_time():
        try:
            config = parse_config(path.read_text(encoding="utf-8"))
        except (ConfigError, UnicodeDecodeError):
            code = train.main(["--config", str(path), "--time", "--device", "cpu"])
            errors = capsys.readouterr().err.splitlines()
            assert (code, len(errors)) == (2, 1), errors
            assert errors[0].startswith(f"train.py: error: {path}: ")
        else:
            assert parse_config(to_toml(config)) == config
