"""datasets/sample.py and make_sample.py: the archive that comes with the code, and how it is made."""

import tarfile

import numpy as np
import pytest
from data_files import write_folder
from PIL import Image

from datasets import make_sample, sample
from datasets.dataset import DataError


@pytest.fixture
def small(tmp_path, rng):
    """(folder, archive): the archive has two of three training images a class, and one of two test images."""
    write_folder(tmp_path / "all", rng, ending="jpg")
    make_sample.make_sample(tmp_path / "all", tmp_path / "small.tar.xz", train=2, test=1)
    return tmp_path / "all", tmp_path / "small.tar.xz"


def test_the_bundled_archive(monkeypatch):
    data = sample.load_sample(progress=False)
    assert data.name == "cifar10-sample"
    assert data.classes == ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    assert data.train_images.shape == (10_000, 3, 32, 32)
    assert data.test_images.shape == (2_000, 3, 32, 32)
    assert data.train_labels.tolist() == [label for label in range(10) for _ in range(1000)]
    assert data.test_labels.tolist() == [label for label in range(10) for _ in range(200)]
    images = data.train_images[:]
    # Photographs: not empty, not one image many times, and each plane smooth.
    assert len(np.unique(images.reshape(10_000, -1), axis=0)) > 9_900
    assert 100 < images.mean() < 140
    steps = np.abs(np.diff(data.test_images[:].astype(np.int16), axis=3)).mean()
    assert 1 < steps < 20
    monkeypatch.setattr(sample, "Decoder", None)
    again = sample.load_sample(progress=False)
    np.testing.assert_array_equal(again.train_images[:], images)


def test_images_and_labels(small):
    folder, archive = small
    data = sample.load_sample(progress=False, archive=archive)
    assert data.classes == ("cat", "dog")
    assert data.train_labels.tolist() == [0, 0, 1, 1]
    assert data.test_labels.tolist() == [0, 1]
    for image, path in (
        (data.train_images[1], "train/cat/0001.jpg"),
        (data.train_images[2], "train/dog/0000.jpg"),
        (data.test_images[1], "test/dog/0000.jpg"),
    ):
        with Image.open(folder / path) as expected:
            np.testing.assert_array_equal(image.transpose(1, 2, 0), np.asarray(expected))


def test_members_are_unchanged_and_without_traces_of_the_machine(small):
    folder, archive = small
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        names = [member.name for member in members]
        assert names == sorted(names)
        assert names[:2] == ["test/cat/0000.jpg", "test/dog/0000.jpg"]
        assert len(names) == 6
        for member in members:
            assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
            with tar.extractfile(member) as file:
                assert file.read() == (folder / member.name).read_bytes()


def test_made_twice_it_is_the_same(small, tmp_path):
    folder, archive = small
    for path in folder.rglob("*.jpg"):
        path.touch()
    assert make_sample.main([str(folder), "--output", str(tmp_path / "b"), "--train", "2", "--test", "1"]) == 0
    assert (tmp_path / "b").read_bytes() == archive.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["all", "--train", "4", "--test", "1"], "train/cat has 3 images, expected at least 4"),
        (["all", "--train", "3", "--test", "3"], "test/cat has 2 images, expected at least 3"),
        (["nothing"], "nothing does not exist"),
        (["all/train", "--train", "1", "--test", "1"], "all/train has no folder test, expected train/CLASS and test/"),
        (["all", "--train", "1", "--test", "1", "--output", "missing/sample"], "No such file or directory"),
    ],
)
def test_errors_of_the_command(small, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    if "--output" not in arguments:
        arguments = [*arguments, "--output", "out.tar.xz"]
    assert make_sample.main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("make_sample: ")
    assert message in error
    assert error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_arguments_of_the_command(capsys):
    with pytest.raises(SystemExit):
        make_sample.main(["all", "--train", "0"])
    assert "--train and --test must be at least 1" in capsys.readouterr().err


def test_missing_or_damaged_archive(small, tmp_path):
    _, archive = small
    with pytest.raises(DataError, match=r"the sample .*nothing\.tar\.xz cannot be read: No such file"):
        sample.load_sample(progress=False, archive=tmp_path / "nothing.tar.xz")
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"small\.tar\.xz cannot be read"):
        sample.load_sample(progress=False, archive=archive)
    with tarfile.open(archive, "w:xz"):
        pass
    with pytest.raises(DataError, match="does not hold train/CLASS"):
        sample.load_sample(progress=False, archive=archive)
