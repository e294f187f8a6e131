"""datasets/listing.py: the role of each folder, and the errors of wrong layouts."""

import shutil

import pytest
from data_files import write_folder

from datasets.dataset import DataError
from datasets.folder import load_folder
from datasets.listing import list_folder


def test_val_is_the_test_split_without_a_folder_test(tmp_path, rng):
    write_folder(tmp_path, rng)
    expected = list_folder(tmp_path).images["test"]
    (tmp_path / "test").rename(tmp_path / "val")
    listing = list_folder(tmp_path)
    assert listing.unused == ()
    assert listing.images["test"] == [(path.replace("/test/", "/val/"), name) for path, name in expected]
    shutil.copytree(tmp_path / "val" / "cat", tmp_path / "val" / "eel")
    with pytest.raises(DataError, match="the class eel is in val but not in train"):
        list_folder(tmp_path)


def test_val_and_others_beside_train_and_test_are_left_out_with_a_warning(tmp_path, rng):
    write_folder(tmp_path, rng)
    before = list_folder(tmp_path)
    shutil.copytree(tmp_path / "test", tmp_path / "val")
    (tmp_path / "extra").mkdir()
    (tmp_path / ".hidden").mkdir()
    listing = list_folder(tmp_path)
    assert (listing.images, listing.unused) == (before.images, ("extra", "val"))
    told = []
    load_folder(tmp_path, progress=False, report=told.append)
    assert told == [f"warning: left out: {tmp_path / name}, which is neither train nor test" for name in listing.unused]


def test_without_train_val_is_a_class(tmp_path, rng):
    write_folder(tmp_path / "all", rng)
    (tmp_path / "all" / "train" / "cat").rename(tmp_path / "all" / "train" / "val")
    assert list_folder(tmp_path / "all" / "train").classes == ("dog", "val")


def test_one_folder_is_not_one_class_each(tmp_path, rng):
    write_folder(tmp_path / "above", rng)
    (tmp_path / "above" / "train").rename(tmp_path / "above" / "all")
    shutil.rmtree(tmp_path / "above" / "test")
    with pytest.raises(DataError, match="above has one folder, all, expected one for each of several classes"):
        list_folder(tmp_path / "above")


def test_missing_folders(tmp_path, rng):
    with pytest.raises(DataError, match="nothing does not exist"):
        list_folder(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file is not a folder"):
        list_folder(tmp_path / "file")
    write_folder(tmp_path / "half", rng)
    shutil.rmtree(tmp_path / "half" / "train")
    with pytest.raises(DataError, match="half has a folder test but no folder train, expected both or train alone"):
        list_folder(tmp_path / "half")


@pytest.mark.parametrize("split", ["train", "test"])
def test_empty_class_is_named(tmp_path, rng, split):
    write_folder(tmp_path, rng)
    for path in (tmp_path / split / "cat").iterdir():
        path.unlink()
    (tmp_path / split / "cat" / "notes.txt").write_text("")
    with pytest.raises(DataError, match=rf"{split}/cat has no images \(\.jpg, \.jpeg, "):
        list_folder(tmp_path)


def test_no_classes(tmp_path, rng):
    write_folder(tmp_path, rng)
    shutil.rmtree(tmp_path / "test")
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match="test has no folders, expected one for each class"):
        list_folder(tmp_path)


@pytest.mark.parametrize(("split", "other"), [("train", "test"), ("test", "train")])
def test_classes_that_differ(tmp_path, rng, split, other):
    write_folder(tmp_path, rng)
    shutil.copytree(tmp_path / split / "cat", tmp_path / split / "eel")
    with pytest.raises(DataError, match=f"the class eel is in {split} but not in {other}"):
        list_folder(tmp_path)
