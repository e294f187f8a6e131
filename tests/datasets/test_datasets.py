"""datasets.load: which source is used, and when the bundled sample replaces it."""

import socket

import numpy as np
import pytest
from data_files import batch_files, write_files, write_folder

import datasets
from datasets import cifar10, sample
from datasets.make_sample import make_sample


@pytest.fixture
def reports():
    return []


@pytest.fixture
def load(reports, monkeypatch, tmp_path):
    """datasets.load without progress bars, when no server answers."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setattr(cifar10, "URL", f"http://127.0.0.1:{port}/cifar-10-python.tar.gz")
    return lambda *names, **options: datasets.load(*names, progress=False, report=reports.append, **options)


@pytest.fixture
def small_sample(tmp_path, rng, monkeypatch):
    """A small archive that replaces the bundled one."""
    write_folder(tmp_path / "all", rng, ending="jpg")
    make_sample(tmp_path / "all", tmp_path / "small.tar.xz", train=2, test=1)
    monkeypatch.setattr(sample.load_sample, "__defaults__", (True, tmp_path / "small.tar.xz"))


@pytest.mark.usefixtures("small_sample")
def test_without_a_network_the_sample_is_used_and_reported(load, reports):
    data = load("cifar10")
    assert data.name == "cifar10-sample"
    assert len(data.train_labels) == 4
    (line,) = reports
    assert cifar10.URL in line
    assert "refused" in line  # the cause of the failure
    assert "The bundled sample, cifar10-sample, is used instead" in line
    assert "\n" not in line


@pytest.mark.usefixtures("small_sample")
def test_the_sample_by_name_is_not_reported(load, reports):
    assert load("cifar10-sample").name == "cifar10-sample"
    assert reports == []


def test_official_data_are_used_if_available(load, reports, rng, monkeypatch):
    files, rows = batch_files(rng)
    monkeypatch.setattr(cifar10, "download", lambda *arguments: None)
    members = {f"cifar-10-batches-py/{name}": contents for name, contents in files.items()}
    monkeypatch.setattr(cifar10, "read_members", lambda path, wanted: members)
    data = load()
    assert data.name == "cifar10"
    np.testing.assert_array_equal(data.test_images[:].reshape(2, -1), rows["test_batch"][0])
    assert reports == []


@pytest.mark.parametrize("name", ["cifar10", "cifar10-sample"])
def test_directory_with_batches(load, reports, rng, tmp_path, name):
    files, rows = batch_files(rng)
    write_files(tmp_path / "download" / "cifar-10-batches-py", files)
    for directory in (tmp_path / "download", str(tmp_path / "download" / "cifar-10-batches-py")):
        data = load(name, directory=directory)
        assert data.name == "cifar10"
        np.testing.assert_array_equal(data.test_images[:].reshape(2, -1), rows["test_batch"][0])
    assert reports == []


def test_directory_with_images(load, reports, rng, tmp_path, monkeypatch):
    write_folder(tmp_path / "pets", rng)
    assert load(directory=tmp_path / "pets").name == "pets"
    monkeypatch.chdir(tmp_path / "pets")
    assert load(directory=".").name == "pets"
    assert reports == []


def test_a_directory_is_never_replaced(load, reports, rng, tmp_path):
    with pytest.raises(datasets.DataError, match="nothing does not exist"):
        load(directory=tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(datasets.DataError, match="file is not a folder"):
        load(directory=tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(datasets.DataError, match="empty has no folders, expected one for each class"):
        load(directory=tmp_path / "empty")
    (tmp_path / "half" / "train").mkdir(parents=True)
    with pytest.raises(datasets.DataError, match="train has no folders"):
        load(directory=tmp_path / "half")
    files, _ = batch_files(rng)
    write_files(tmp_path / "broken", files | {"test_batch": b"<html>"})
    with pytest.raises(datasets.DataError, match="broken/test_batch: not a whole pickle"):
        load(directory=tmp_path / "broken")
    assert reports == []


def test_unknown_name(load, tmp_path):
    for options in ({}, {"directory": tmp_path}):
        with pytest.raises(
            datasets.DataError, match="name is 'cifar100', expected one of 'cifar10', 'cifar10-sample', 'folder'"
        ):
            load("cifar100", **options)


def test_bars_can_be_silenced(rng, tmp_path, capsys):
    write_folder(tmp_path / "a", rng)
    write_folder(tmp_path / "b", rng)
    datasets.load(directory=tmp_path / "a", progress=False)
    assert capsys.readouterr() == ("", "")
    datasets.load(directory=tmp_path / "b")
    assert "10/10" in capsys.readouterr().err


def test_a_folder_by_name_needs_its_directory(load):
    with pytest.raises(datasets.DataError, match=r'data.name is "folder", expected the folder of images too \(--data'):
        load("folder")


def test_options_of_the_folder_are_used(load, reports, rng, tmp_path):
    write_folder(tmp_path / "pets", rng)
    (tmp_path / "pets" / "train" / "cat" / "0000.png").write_bytes(b"no image")
    data = load("folder", tmp_path / "pets", folder=datasets.FolderOptions(size=9, bad_pictures="skip"))
    assert data.train_images.shape == (5, 3, 9, 9)
    (line,) = reports
    assert "train/cat/0000.png cannot be read" in line


@pytest.mark.usefixtures("small_sample")
@pytest.mark.parametrize("name", ["cifar10", "cifar10-sample", "folder"])
def test_cifar10_is_never_scaled(load, rng, tmp_path, name):
    files, _ = batch_files(rng)
    write_files(tmp_path / "batches", files)
    directory = tmp_path / "batches" if name == "folder" else None
    with pytest.raises(datasets.DataError, match=r"data.size is 64, expected 0: the images of .* have 32 x 32 pixels"):
        load(name, directory, folder=datasets.FolderOptions(size=64))
