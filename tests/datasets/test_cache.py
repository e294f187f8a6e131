"""datasets/cache.py: what was kept comes back bit for bit, what is broken is made again, and nothing fails for it."""

import threading
from pathlib import Path

import numpy as np
import pytest
from data_files import encoded, random_pixels
from full_disk import full_disk

from datasets.cache import cache_directory, cached
from datasets.collection import Collection
from datasets.dataset import DataError
from datasets.picture_file import PictureFile
from datasets.pictures import Decoder


def collection(rng, name="toy", n=3, bad=None):
    images = rng.integers(0, 256, (n, 3, 4, 5), dtype=np.uint8)
    return Collection(name, ("ä b", "dog"), rng.integers(0, 2, n), n - 1, images, bad or {})


def refuse():
    raise AssertionError("made again")


def check_same(found, expected):
    for name in ("name", "classes", "train", "bad"):
        assert getattr(found, name) == getattr(expected, name)
    for name in ("images", "labels"):
        np.testing.assert_array_equal(getattr(found, name)[:], getattr(expected, name))
        assert getattr(found, name).dtype == getattr(expected, name).dtype


def only_file(folder):
    (path,) = folder.iterdir()
    return path


def test_kept(rng):
    made = collection(rng, bad={1: "b\udcff.png cannot be read: ü"})
    for make in (lambda: made, refuse):
        kept = cached("source", "1", make)
        assert isinstance(kept.images, PictureFile)
        check_same(kept, made)


def test_another_fingerprint_replaces_the_file(cache_folder, rng):
    cached("source", "1", lambda: collection(rng))
    newer = collection(rng, "newer")
    check_same(cached("source", "2", lambda: newer), newer)
    check_same(cached("source", "2", refuse), newer)
    assert only_file(cache_folder).suffix == ".npz"


def test_a_file_in_use_stays_readable_when_it_is_replaced(rng):
    first, second = collection(rng, "first", n=9), collection(rng, "second", n=5)
    in_use = cached("source", "1", lambda: first)
    cached("source", "2", lambda: second)
    check_same(in_use, first)


def test_the_file_is_an_ordinary_npz(cache_folder, rng):
    made = collection(rng)
    cached("source", "1", lambda: made)
    with np.load(only_file(cache_folder)) as kept:
        np.testing.assert_array_equal(kept["images"], made.images)


def test_pictures_are_decoded_into_the_file_a_batch_at_a_time(rng, monkeypatch):
    files = {str(i): random_pixels(rng) for i in range(7)}
    monkeypatch.setattr("datasets.pictures._SHEET", 60)  # three pictures of 5x4 a task
    monkeypatch.setattr(Decoder, "all", None)
    made = Decoder([*files], lambda name: encoded(files[name]) if name != "4" else b"", skip=True, progress=False)
    kept = cached("source", "1", lambda: Collection("toy", ("a",), np.zeros(7, np.int64), 7, made))
    files["4"] = np.zeros_like(files["4"])
    np.testing.assert_array_equal(kept.images[:], np.stack([*files.values()]).transpose(0, 3, 1, 2))
    assert kept.bad.keys() == {4}
    assert kept.bad == cached("source", "1", refuse).bad


def test_sources_with_the_same_last_name_are_apart(rng):
    first, second = collection(rng, "first"), collection(rng, "second")
    cached("/a/pets", "1", lambda: first)
    cached("/b/pets", "1", lambda: second)
    check_same(cached("/a/pets", "1", refuse), first)
    check_same(cached("/b/pets", "1", refuse), second)


@pytest.mark.parametrize("damage", ["empty", "cut", "labels", "text", "pickle", "other arrays"])
def test_broken_file_is_made_again(cache_folder, rng, damage):
    made = collection(rng, n=200)
    cached("source", "1", lambda: made)
    path = only_file(cache_folder)
    contents = bytearray(path.read_bytes())
    if damage == "other arrays":
        with np.load(path) as kept:
            arrays = dict(kept)
        arrays["labels"] = arrays["labels"][1:]
        with open(path, "wb") as file:
            np.savez(file, **arrays)
    elif damage == "pickle":
        path.write_bytes(np.array([object()], dtype=object).dumps())
    else:
        contents[contents.index(made.labels.tobytes()) + 800] ^= 1
        cut = contents[: len(contents) // 2]
        path.write_bytes({"empty": b"", "cut": cut, "labels": contents, "text": b"no arrays" * 99}[damage])
    newer = collection(rng)
    check_same(cached("source", "1", lambda: newer), newer)
    check_same(cached("source", "1", refuse), newer)


def test_a_damaged_picture_is_an_error_that_names_the_file(cache_folder, rng):
    made = collection(rng, n=20)
    cached("source", "1", lambda: made)
    path = only_file(cache_folder)
    contents = bytearray(path.read_bytes())
    contents[contents.index(made.images[7].tobytes()) + 30] ^= 1
    path.write_bytes(contents)
    images = cached("source", "1", refuse).images
    np.testing.assert_array_equal(images[[6, 8]], made.images[[6, 8]])
    with pytest.raises(DataError) as caught:
        images[[6, 7, 8]]
    text = "is damaged (picture 7 is not what was written): remove it, and the pictures are decoded anew"
    assert str(caught.value) == f"{path} {text}"


def test_no_byte_can_change_what_is_read(cache_folder, rng):
    """Wherever a bit is wrong the file is made again, or reading is an error, or the bit does not matter."""
    made, newer = collection(rng, n=12), collection(rng, "newer", n=12)
    cached("source", "1", lambda: made)
    path = only_file(cache_folder)
    whole = path.read_bytes()
    outcomes = set()
    for position in range(0, len(whole), 23):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        found = cached("source", "1", lambda: newer)
        try:
            check_same(found, newer if found.name == "newer" else made)
            outcomes.add(found.name)
        except DataError:
            outcomes.add("error")
    assert outcomes == {"toy", "newer", "error"}


def test_file_cut_anywhere_is_noticed(cache_folder, rng):
    made = collection(rng)
    cached("source", "1", lambda: made)
    path = only_file(cache_folder)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        calls = []
        cached("source", "1", lambda calls=calls: calls.append(1) or made)
        assert calls


@pytest.mark.parametrize("make", ["array", "decoder"])
def test_unwritable_cache_is_one_warning_and_pictures_in_memory(cache_folder, rng, capsys, make):
    cache_folder.write_text("a file where the folder should be")
    files = {str(i): random_pixels(rng) for i in range(4)}
    images = np.stack([*files.values()]).transpose(0, 3, 1, 2)
    source = Decoder([*files], lambda name: encoded(files[name]), progress=False) if make == "decoder" else images
    kept = cached("source", "1", lambda: Collection("toy", ("a",), np.zeros(4, np.int64), 3, source))
    assert isinstance(kept.images, np.ndarray)
    np.testing.assert_array_equal(kept.images, images)
    error = capsys.readouterr().err
    assert error.startswith(f"warning: decoded pictures cannot be kept in {cache_folder}: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("left", [0, 1000, 12_100, 13_000])
def test_full_disk_leaves_nothing_behind(cache_folder, rng, capsys, left):
    made = collection(rng, n=200)  # 12,000 bytes of pictures
    with full_disk(left):
        kept = cached("source", "1", lambda: made)
    assert kept is made
    assert "File too large" in capsys.readouterr().err
    assert list(cache_folder.iterdir()) == []


def test_many_may_keep_the_same_pictures_at_once(cache_folder, rng):
    made = collection(rng, n=50)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(cached("source", "1", lambda: made).images[:])) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all((images == made.images).all() for images in found)
    only_file(cache_folder)


def test_an_error_of_the_source_is_not_kept(cache_folder):
    def fail():
        raise DataError("no such data")

    with pytest.raises(DataError, match="no such data"):
        cached("source", "1", fail)
    assert not cache_folder.exists()


def test_bad_pictures_that_are_refused_leave_nothing_behind(cache_folder, rng):
    good = encoded(random_pixels(rng))
    made = Decoder(["good", "bad"], lambda name: good if name == "good" else b"", progress=False)
    with pytest.raises(DataError, match="bad cannot be read"):
        cached("source", "1", lambda: Collection("toy", ("a",), np.zeros(2, np.int64), 2, made))
    assert list(cache_folder.iterdir()) == []


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
    made = collection(rng)
    assert cached("source", "1", lambda: made) is made
    assert "warning: there is no home folder" in capsys.readouterr().err
