import json
import os

import pytest
from full_disk import full_disk

from tinyfft.files import replacing, write_json, write_text


def test_a_successful_block_replaces_the_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_failed_block_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_the_temporary_file_of_a_killed_process_is_replaced(tmp_path):
    (tmp_path / f".a.txt.{os.getpid()}.tmp").write_text("left")
    write_text(tmp_path / "a.txt", "grüße")
    assert (tmp_path / "a.txt").read_bytes() == "grüße".encode()
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_and_a_missing_folder_are_named(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with full_disk(left=100), pytest.raises(OSError, match=r"a\.txt") as caught:
        write_text(path, "x" * 200)
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    with pytest.raises(FileNotFoundError) as caught:
        write_text(tmp_path / "no" / "b.txt", "")
    assert caught.value.filename == str(tmp_path / "no" / "b.txt")


def test_json_is_written_completely_or_not_at_all(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1, 0.5]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [1, 0.5]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [1, 0.5]}
