"""datasets/cifar10.py: the official layout, as files and in an archive, against the arrays that were written."""

import hashlib
import io
import tarfile

import numpy as np
import pytest
from data_files import NAMES, batch_files, python2_pickle, write_files

from datasets import cifar10
from datasets.dataset import DataError


def check(data, rows):
    """Check every label, and pixels of every image, against the definition of the layout."""
    assert data.name == "cifar10"
    assert data.classes == tuple(name.decode() for name in NAMES)
    train = [rows[f"data_batch_{i}"] for i in range(1, 6)]
    for images, labels, batches in (
        (data.train_images, data.train_labels, train),
        (data.test_images, data.test_labels, [rows["test_batch"]]),
    ):
        assert images.dtype == np.uint8
        assert labels.dtype == np.int64
        assert labels.tolist() == [label for _, row_labels in batches for label in row_labels]
        flat = [row for pixels, _ in batches for row in pixels]
        assert images.shape == (len(flat), 3, 32, 32)
        for image, row in zip(images, flat, strict=True):
            for channel, y, x in ((0, 0, 0), (0, 3, 7), (1, 31, 0), (2, 0, 31), (2, 31, 31)):
                assert image[channel, y, x] == row[channel * 1024 + y * 32 + x]


def write_archive(path, files):
    with tarfile.open(path, "w:gz") as tar:
        for name, contents in {"readme.html": b"<html>", **files}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(contents)
            tar.addfile(member, io.BytesIO(contents))


def test_files(tmp_path, rng):
    files, rows = batch_files(rng)
    write_files(tmp_path / "cifar-10-batches-py", files)
    for directory in (tmp_path, tmp_path / "cifar-10-batches-py"):
        folder = cifar10.find_batches(directory)
        assert folder == tmp_path / "cifar-10-batches-py"
        check(cifar10.load_batches(folder), rows)
    assert cifar10.find_batches(tmp_path.parent) is None


def test_files_are_read_again_only_when_one_has_changed(tmp_path, rng, monkeypatch):
    files, rows = batch_files(rng)
    write_files(tmp_path / "batches", files)
    cifar10.load_batches(tmp_path / "batches")
    with monkeypatch.context() as context:
        context.setattr(cifar10, "unpickle", lambda *_: pytest.fail("read again"))
        check(cifar10.load_batches(tmp_path / "batches"), rows)
    files, rows = batch_files(rng, count=5)
    write_files(tmp_path / "batches", files)
    check(cifar10.load_batches(tmp_path / "batches"), rows)


def test_archive(tmp_path, rng):
    files, rows = batch_files(rng, count=3)
    write_archive(tmp_path / "cifar.tar.gz", files)
    check(cifar10.load_archive(tmp_path / "cifar.tar.gz").dataset(), rows)


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_missing_file(tmp_path, rng, name):
    files, _ = batch_files(rng)
    del files[name]
    write_files(tmp_path, files)
    with pytest.raises(DataError, match=f"{name} cannot be read: No such file"):
        cifar10.load_batches(cifar10.find_batches(tmp_path))
    write_archive(tmp_path / "tar", files)
    with pytest.raises(DataError, match=f"tar has no regular file cifar-10-batches-py/{name}"):
        cifar10.load_archive(tmp_path / "tar")


GOOD = np.zeros((2, 3072), np.uint8)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ([1, 2], "holds a list, expected a dictionary"),
        ({b"labels": [1, 2]}, "has no entry data"),
        ({b"data": GOOD}, "has no entry labels"),
        ({b"data": b"text", b"labels": [1, 2]}, "data are no array"),
        ({b"data": GOOD[:1], b"labels": [1, 2]}, r"data are uint8 \(1, 3072\), expected uint8 \(2, 3072\)"),
        ({b"data": GOOD[:, :3071], b"labels": [1, 2]}, r"data are uint8 \(2, 3071\)"),
        ({b"data": GOOD.reshape(2, 3, 32, 32), b"labels": [1, 2]}, r"\(2, 3, 32, 32\), expected uint8 \(2, 3072\)"),
        ({b"data": GOOD.astype(np.float32), b"labels": [1, 2]}, "dtype b'f4', expected b'u1'"),
        ({b"data": GOOD, b"labels": [1]}, "labels are not a list of 2 numbers"),
        ({b"data": GOOD, b"labels": (1, 2)}, "labels are not a list"),
        ({b"data": GOOD, b"labels": [1, 10]}, "a label is not a number from 0 to 9"),
        ({b"data": GOOD, b"labels": [-1, 1]}, "a label is not a number from 0 to 9"),
        ({b"data": GOOD, b"labels": [True, 1]}, "a label is not a number"),
        ({b"data": GOOD, b"labels": [b"1", 1]}, "a label is not a number"),
    ],
)
def test_wrong_batch(tmp_path, rng, contents, message):
    files, _ = batch_files(rng)
    write_files(tmp_path, files | {"data_batch_4": python2_pickle(contents)})
    with pytest.raises(DataError, match=f"data_batch_4: .*{message}"):
        cifar10.load_batches(tmp_path)


@pytest.mark.parametrize("names", [b"cat", NAMES[:9], [*NAMES[:9], 3]])
def test_wrong_names(tmp_path, rng, names):
    files, _ = batch_files(rng)
    meta = python2_pickle({b"num_cases_per_batch": 2, b"label_names": names})
    write_files(tmp_path, files | {"batches.meta": meta})
    with pytest.raises(DataError, match="meta: label_names are not 10 names"):
        cifar10.load_batches(tmp_path)


def test_official_archive_from_the_cache(cache_folder, rng, monkeypatch):
    """With the right archive no network is needed, and later, with the decoded images, no archive."""
    files, rows = batch_files(rng)
    cache_folder.mkdir()
    archive = cache_folder / "cifar-10-python.tar.gz"
    write_archive(archive, files)
    monkeypatch.setattr(cifar10, "SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(cifar10, "URL", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    check(cifar10.load_official(progress=False), rows)
    archive.unlink()
    check(cifar10.load_official(progress=False), rows)
