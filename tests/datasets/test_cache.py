"""datasets/cache.py: every bit comes back, a damaged file is replaced, and training goes on without a cache."""

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from data_files import encoded, random_pixels
from full_disk import full_disk
from program import ROOT

from datasets.cache import cache_directory, cached
from datasets.collection import Collection
from datasets.dataset import DataError
from datasets.decoder import Decoder
from datasets.image_file import ImageFile


def collection(rng, name="toy", n=3, bad=None):
    images = rng.integers(0, 256, (n, 3, 4, 5), dtype=np.uint8)
    return Collection(name, ("ä b", "dog"), rng.integers(0, 2, n), n - 1, images, bad or {})


def refuse():
    raise AssertionError("made again")


def check_same(found, expected):
    for name in ("name", "classes", "train_count", "bad"):
        assert getattr(found, name) == getattr(expected, name)
    for name in ("images", "labels"):
        np.testing.assert_array_equal(getattr(found, name)[:], getattr(expected, name))
        assert getattr(found, name).dtype == getattr(expected, name).dtype


def only_file(folder):
    (path,) = folder.iterdir()
    return path


def test_kept_in_a_file_that_numpy_opens(cache_folder, rng):
    made = collection(rng, bad={1: "b\udcff.png cannot be read: ü"})
    for make in (lambda: made, refuse):
        kept = cached("source", "1", make)
        assert isinstance(kept.images, ImageFile)
        check_same(kept, made)
    np.testing.assert_array_equal(np.load(only_file(cache_folder), mmap_mode="r"), made.images)


def test_another_fingerprint_replaces_the_file_but_not_for_those_who_use_it(cache_folder, rng):
    first, second = collection(rng, "first", n=9), collection(rng, "second", n=5)
    in_use = cached("source", "1", lambda: first)
    check_same(cached("source", "2", lambda: second), second)
    check_same(cached("source", "2", refuse), second)
    only_file(cache_folder)
    check_same(in_use, first)


def test_the_file_of_version_0_1_is_removed(cache_folder, rng):
    cached("source", "1", lambda: collection(rng))
    path = only_file(cache_folder)
    path.rename(path.with_suffix(".npz"))
    cached("source", "1", lambda: collection(rng))
    assert only_file(cache_folder) == path


def test_images_are_decoded_into_the_file_batch_by_batch(rng, monkeypatch):
    files = {str(i): random_pixels(rng) for i in range(7)}
    monkeypatch.setattr("datasets.decoder._PIXELS_PER_TASK", 60)  # three images of 5x4
    monkeypatch.setattr(Decoder, "all", None)
    made = Decoder([*files], lambda name: encoded(files[name]) if name != "4" else b"", skip=True, progress=False)
    kept = cached("source", "1", lambda: Collection("toy", ("a",), np.zeros(7, np.int64), 7, made, made.bad))
    files["4"] = np.zeros_like(files["4"])
    np.testing.assert_array_equal(kept.images[:], np.stack([*files.values()]).transpose(0, 3, 1, 2))
    assert kept.bad.keys() == {4}
    assert kept.bad == cached("source", "1", refuse).bad


def test_sources_with_the_same_last_name_have_files_of_their_own(rng):
    first, second = collection(rng, "first"), collection(rng, "second")
    cached("/a/pets", "1", lambda: first)
    cached("/b/pets", "1", lambda: second)
    check_same(cached("/a/pets", "1", refuse), first)
    check_same(cached("/b/pets", "1", refuse), second)


@pytest.mark.parametrize("damage", ["other arrays", "pickle", "text"])
def test_other_contents_are_replaced(cache_folder, rng, damage):
    made, newer = collection(rng), collection(rng)
    cached("source", "1", lambda: made)
    path = only_file(cache_folder)
    if damage == "other arrays":
        with open(path, "rb") as file, np.lib.npyio.NpzFile(file) as kept:
            arrays = dict(kept)
        with open(path, "wb") as file:
            np.savez(file, **{**arrays, "labels": arrays["labels"][1:]})
    else:
        path.write_bytes(np.array([object()], dtype=object).dumps() if damage == "pickle" else b"no arrays" * 99)
    check_same(cached("source", "1", lambda: newer), newer)
    check_same(cached("source", "1", refuse), newer)


def test_no_byte_can_change_what_is_read(cache_folder, rng):
    """A wrong bit anywhere leads to a new file or to an error that names the file, or does not matter."""
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
def test_without_a_writable_cache_there_is_one_warning_and_images_are_in_memory(cache_folder, rng, capsys, make):
    cache_folder.write_text("a file where the folder should be")
    files = {str(i): random_pixels(rng) for i in range(4)}
    images = np.stack([*files.values()]).transpose(0, 3, 1, 2)
    source = Decoder([*files], lambda name: encoded(files[name]), progress=False) if make == "decoder" else images
    kept = cached("source", "1", lambda: Collection("toy", ("a",), np.zeros(4, np.int64), 3, source))
    assert isinstance(kept.images, np.ndarray)
    np.testing.assert_array_equal(kept.images, images)
    error = capsys.readouterr().err
    assert error.startswith(f"warning: decoded images cannot be kept in {cache_folder}: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("left", [0, 1000, 12_100, 13_000])
def test_full_disk_leaves_nothing_behind(cache_folder, rng, capsys, left):
    made = collection(rng, n=200)  # 12,000 bytes of images
    with full_disk(left):
        kept = cached("source", "1", lambda: made)
    assert kept is made
    assert "File too large" in capsys.readouterr().err
    assert list(cache_folder.iterdir()) == []


# Replaces one version of a source by the other again and again. Prints a line when it has begun.
WRITER = """
import sys
sys.path += ["tests", "tests/datasets"]
from test_cache import cached, version

while True:
    for fingerprint in "ab":
        cached("source", fingerprint, lambda: version(fingerprint))
    print(flush=True)
"""


def version(fingerprint):
    return collection(np.random.default_rng(ord(fingerprint)), fingerprint, n=5000)


def test_processes_that_write_the_same_file_and_are_killed_leave_it_whole(cache_folder):
    versions = {fingerprint: version(fingerprint) for fingerprint in "ab"}

    def check_for(seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for fingerprint, expected in versions.items():
                check_same(cached("source", fingerprint, lambda expected=expected: expected), expected)

    with ExitStack() as stack:
        writers = [subprocess.Popen([sys.executable, "-c", WRITER], cwd=ROOT, stdout=subprocess.PIPE) for _ in range(2)]
        for writer in writers:
            stack.enter_context(writer)
            stack.callback(writer.kill)
        for writer in writers:
            assert writer.stdout.readline() == b"\n"
        for writer in writers:
            check_for(0.2)
            writer.kill()
        check_for(0.1)
    assert [path.suffix for path in cache_folder.iterdir() if path.suffix != ".tmp"] == [".npy"]


def test_an_error_of_the_source_is_not_kept(cache_folder):
    def fail():
        raise DataError("no such data")

    with pytest.raises(DataError, match="no such data"):
        cached("source", "1", fail)
    assert not cache_folder.exists()


def test_bad_images_that_are_refused_leave_nothing_behind(cache_folder, rng):
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
