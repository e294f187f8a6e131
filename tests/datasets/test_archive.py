"""datasets/archive.py: regular files with wanted names, and nothing else."""

import hashlib
import tarfile

import pytest
from data_files import write_tar

from datasets.archive import file_sha256, read_members
from datasets.dataset import DataError


def test_sha256(tmp_path):
    (tmp_path / "file").write_bytes(b"abc" * 100_000)
    assert file_sha256(tmp_path / "file") == hashlib.sha256(b"abc" * 100_000).hexdigest()


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w"])
def test_wanted_members(tmp_path, mode):
    write_tar(tmp_path / "tar", {"a/1": b"first", "a/2": b"other", "b": b"second"}, mode)
    assert read_members(tmp_path / "tar", lambda name: name != "a/2") == {"a/1": b"first", "b": b"second"}


def test_hostile_names_and_links_leave_nothing(tmp_path):
    hostile = {"../outside": b"evil", "/tmp/absolute": b"evil", "link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE}
    hostile |= {"pipe": tarfile.FIFOTYPE, "device": tarfile.CHRTYPE, "folder": tarfile.DIRTYPE, "good": b"contents"}
    (tmp_path / "inner").mkdir()
    write_tar(tmp_path / "inner" / "tar", hostile)
    wanted = {"link", "hard", "pipe", "device", "folder", "good"}
    assert read_members(tmp_path / "inner" / "tar", wanted.__contains__) == {"good": b"contents"}
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["inner", "tar"]


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w"])
def test_truncated(tmp_path, mode, rng):
    path = tmp_path / "tar"
    write_tar(path, {"a": rng.bytes(20_000), "b": rng.bytes(20_000)}, mode)
    whole = path.read_bytes()
    for length in (0, 5, 700, 20_000, 30_000):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="tar cannot be read"):
            read_members(path, lambda name: True)


def test_missing_or_no_archive(tmp_path):
    (tmp_path / "text").write_text("no archive, but some text" * 100)
    for name in ("text", "nothing"):
        with pytest.raises(DataError, match=f"{name} cannot be read"):
            read_members(tmp_path / name, lambda name: True)
