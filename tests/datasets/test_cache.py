"""datasets/cache.py: what was kept comes back bit for bit, what is broken is made again, and nothing fails for it."""

from pathlib import Path

import numpy as np
import pytest

from datasets.cache import cache_directory, cached
from datasets.dataset import DataError, Dataset


def dataset(rng, name="toy", n=3):
    def images():
        return rng.integers(0, 256, (n, 3, 4, 5), dtype=np.uint8)

    def labels():
        return rng.integers(0, 2, n)

    return Dataset(name, ("ä b", "dog"), images(), labels(), images(), labels())


def refuse():
    raise AssertionError("made again")


def check_same(found, expected):
    assert (found.name, found.classes) == (expected.name, expected.classes)
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert getattr(found, name).dtype == getattr(expected, name).dtype


def only_file(folder):
    (path,) = folder.iterdir()
    return path


def test_kept(rng):
    data = dataset(rng)
    assert cached("source", "1", lambda: data) is data
    check_same(cached("source", "1", refuse), data)


def test_another_fingerprint_replaces_the_file(cache_folder, rng):
    cached("source", "1", lambda: dataset(rng))
    newer = dataset(rng, "newer")
    assert cached("source", "2", lambda: newer) is newer
    check_same(cached("source", "2", refuse), newer)
    assert only_file(cache_folder).suffix == ".npz"


def test_sources_with_the_same_last_name_are_apart(rng):
    first, second = dataset(rng, "first"), dataset(rng, "second")
    cached("/a/pets", "1", lambda: first)
    cached("/b/pets", "1", lambda: second)
    check_same(cached("/a/pets", "1", refuse), first)
    check_same(cached("/b/pets", "1", refuse), second)


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text", "pickle", "other arrays"])
def test_broken_file_is_made_again(cache_folder, rng, damage, tmp_path):
    data = dataset(rng, n=200)
    cached("source", "1", lambda: data)
    path = only_file(cache_folder)
    contents = bytearray(path.read_bytes())
    if damage == "other arrays":
        with np.load(path) as kept:
            arrays = dict(kept)
        arrays["train_labels"] = arrays["train_labels"][1:]
        with open(path, "wb") as file:
            np.savez(file, **arrays)
    elif damage == "pickle":
        path.write_bytes(np.array([object()], dtype=object).dumps())
    else:
        contents[len(contents) // 2] ^= 1
        cut = contents[: len(contents) // 2]
        path.write_bytes({"empty": b"", "cut": cut, "flipped": contents, "text": b"no arrays" * 99}[damage])
    newer = dataset(rng)
    assert cached("source", "1", lambda: newer) is newer
    check_same(cached("source", "1", refuse), newer)


def test_file_cut_anywhere_is_noticed(cache_folder, rng):
    data = dataset(rng)
    cached("source", "1", lambda: data)
    path = only_file(cache_folder)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        assert cached("source", "1", lambda: data) is data


def test_unwritable_cache_is_one_warning(cache_folder, rng, capsys):
    cache_folder.write_text("a file where the folder should be")
    data = dataset(rng)
    assert cached("source", "1", lambda: data) is data
    error = capsys.readouterr().err
    assert error.startswith(f"warning: decoded pictures cannot be kept in {cache_folder}: ")
    assert error.count("\n") == 1


def test_full_disk_leaves_nothing_behind(cache_folder, rng, capsys, monkeypatch):
    def full(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    data = dataset(rng)
    assert cached("source", "1", lambda: data) is data
    assert "No space left on device" in capsys.readouterr().err
    assert list(cache_folder.iterdir()) == []


def test_an_error_of_the_source_is_not_kept(cache_folder):
    def fail():
        raise DataError("no such data")

    with pytest.raises(DataError, match="no such data"):
        cached("source", "1", fail)
    assert not cache_folder.exists()


def test_where_it_is(monkeypatch, tmp_path):
    assert cache_directory() == tmp_path / "cache"
    monkeypatch.delenv("TINYFFT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory() == tmp_path / "xdg" / "tinyfft"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    for ignored in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert cache_directory() == tmp_path / "home" / ".cache" / "tinyfft"


def test_no_home(monkeypatch, rng, capsys):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("TINYFFT_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(DataError, match="set TINYFFT_CACHE"):
        cache_directory()
    data = dataset(rng)
    assert cached("source", "1", lambda: data) is data
    assert "warning: there is no home folder" in capsys.readouterr().err
