"""datasets/folder.py: every image and label in its place, every defect of the folder in an error."""

import os

import numpy as np
import pytest
from data_files import encoded, random_pixels, write_folder
from PIL import Image

from datasets import folder
from datasets.dataset import DataError
from datasets.folder import FolderOptions, load_folder


def load(root, **options):
    return load_folder(root, FolderOptions(**options), progress=False)


def check(data, written):
    for split, images, labels in (
        ("train", data.train_images, data.train_labels),
        ("test", data.test_images, data.test_labels),
    ):
        assert labels.dtype == np.int64
        assert labels.tolist() == [label for label, _ in written[split]]
        assert images.dtype == np.uint8
        expected = np.stack([pixels for _, pixels in written[split]])  # (n, H, W, 3)
        np.testing.assert_array_equal(images[:], np.moveaxis(expected, 3, 1))


def test_pixels_and_labels(tmp_path, rng):
    written = write_folder(tmp_path / "pets", rng, classes=("ant", "bee", "cat"), train=4, test=1)
    data = load(tmp_path / "pets")
    assert data.name == "pets"
    assert data.classes == ("ant", "bee", "cat")
    check(data, written)


def test_extensions_and_ignored_files(tmp_path, rng):
    written = write_folder(tmp_path, rng)
    cats = tmp_path / "train" / "cat"
    (cats / "0000.png").rename(cats / "0000.PNG")
    for name in ("._0000.png", "notes.txt", "Thumbs.db"):
        (cats / name).write_text("no image")
    (tmp_path / "train" / ".hidden").mkdir()
    (tmp_path / "train" / "readme.txt").write_text("no class")
    pixels = random_pixels(rng)
    (cats / "0003.jpeg").write_bytes(encoded(pixels, "jpeg"))
    with Image.open(cats / "0003.jpeg") as image:
        written["train"].insert(3, (0, np.asarray(image)))
    check(load(tmp_path), written)


def test_images_at_any_depth(tmp_path, rng):
    written = write_folder(tmp_path, rng)
    cats = tmp_path / "train" / "cat"
    deep = cats / "0000" / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (cats / "0000.png").rename(deep / "x.png")
    (cats / "0001.png").rename(cats / "0000" / "a" / "y.png")
    (cats / ".thumbnails").mkdir()
    (cats / ".thumbnails" / "0000.png").write_bytes(b"no image")
    (cats / "folder.jpg").mkdir()
    check(load(tmp_path), written)


def test_links_to_images_and_classes_are_followed_and_no_cycle(tmp_path, rng):
    written = write_folder(tmp_path / "pets", rng)
    cats = tmp_path / "pets" / "train" / "cat"
    cats.rename(tmp_path / "elsewhere")
    cats.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (cats / "0002.png").rename(tmp_path / "linked.png")
    (cats / "0002.png").symlink_to(tmp_path / "linked.png")
    (cats / "cycle").symlink_to(cats, target_is_directory=True)
    check(load(tmp_path / "pets"), written)


def flat(tmp_path, rng, counts):
    """Write tmp_path/CLASS/N/NNN.png, each of one grey, `counts` images a class; return {grey: label}."""
    labels = {}
    for label, (name, count) in enumerate(sorted(counts.items())):
        for number in range(count):
            grey = len(labels)
            home = tmp_path / name / str(number % 3)
            home.mkdir(parents=True, exist_ok=True)
            (home / f"{number:03}.png").write_bytes(encoded(np.full((4, 4, 3), grey, np.uint8)))
            labels[grey] = label
    return labels


def greys(images):
    return images[:][:, 0, 0, 0].tolist()


@pytest.mark.parametrize("layout", ["classes", "train"])
def test_without_a_test_folder_a_share_of_each_class_is_held_out(tmp_path, rng, layout):
    root = tmp_path / "pets"
    written = flat(root / "train" if layout == "train" else root, rng, {"ant": 20, "bee": 10, "cat": 50})
    data = load(root, test_fraction=0.3)
    assert data.classes == ("ant", "bee", "cat")
    assert np.bincount(data.test_labels).tolist() == [6, 3, 15]
    assert np.bincount(data.train_labels).tolist() == [14, 7, 35]
    found = dict(zip(greys(data.train_images), data.train_labels.tolist(), strict=True))
    of_test = dict(zip(greys(data.test_images), data.test_labels.tolist(), strict=True))
    assert not found.keys() & of_test.keys()
    assert found | of_test == written


def test_seed_and_fraction_decide_what_is_held_out_without_decoding_again(tmp_path, rng, monkeypatch):
    root = tmp_path / "pets"
    flat(root, rng, {"ant": 20, "bee": 20})
    first = greys(load(root, seed=1).test_images)
    monkeypatch.setattr(folder, "Decoder", None)
    assert greys(load(root, seed=1).test_images) == first
    assert greys(load(root, seed=2).test_images) != first
    assert len(load(root, seed=1, test_fraction=0.5).test_labels) == 20


def test_images_of_any_size_become_squares(tmp_path, rng):
    write_folder(tmp_path, rng)
    Image.new("RGB", (40, 20), (1, 2, 3)).save(tmp_path / "train" / "cat" / "0001.png")
    Image.new("L", (10, 90), 7).save(tmp_path / "test" / "dog" / "0001.png")
    data = load(tmp_path, size=16)
    assert data.train_images.shape == (6, 3, 16, 16)
    assert np.unique(data.train_images[1].reshape(3, -1), axis=1).T.tolist() == [[1, 2, 3]]
    assert (data.test_images[3] == 7).all()
    with pytest.raises(DataError, match=r"cat/0001\.png is 40x20, expected 4x5 as .*data\.size = N makes all"):
        load(tmp_path)


def test_size_and_fit_are_part_of_the_fingerprint(tmp_path, rng):
    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            pixels = np.zeros((32, 96, 3), np.uint8)
            pixels[:, 32:64] = 200
            (tmp_path / split / name / "0.png").write_bytes(encoded(pixels))
    assert load(tmp_path, size=16).train_images[:].min() >= 180
    assert load(tmp_path, size=16, fit="stretch").train_images[:].min() == 0
    assert load(tmp_path, size=8, fit="stretch").train_images.shape == (2, 3, 8, 8)


def spoil(root):
    """Make three images bad, in a folder of write_folder."""
    (root / "train" / "cat" / "0001.png").write_bytes(b"no image")
    (root / "train" / "dog" / "0002.png").write_bytes(b"")
    (root / "test" / "dog" / "0000.png").write_bytes(encoded(random_pixels(np.random.default_rng(0)))[:70])


def test_bad_images_are_refused_with_their_number_and_names(tmp_path, rng):
    write_folder(tmp_path, rng)
    spoil(tmp_path)
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    text = str(caught.value)
    assert text.startswith(
        f"3 of 10 images are bad: {tmp_path}/train/cat/0001.png cannot be read: its format is not one of JPEG, "
    )
    assert f"{tmp_path}/train/dog/0002.png cannot be read: " in text
    assert f"{tmp_path}/test/dog/0000.png cannot be read: " in text
    assert text.endswith('; data.bad_pictures = "skip" leaves bad images out')
    assert "\n" not in text


def test_bad_images_are_skipped_and_reported_at_every_start(tmp_path, rng, monkeypatch):
    root = tmp_path / "pets"
    written = write_folder(root, rng)
    spoil(root)
    del written["train"][5], written["train"][1], written["test"][2]
    expected = [f"{root}/{name}.png" for name in ("train/cat/0001", "train/dog/0002", "test/dog/0000")]
    decoder = folder.Decoder
    for decode in (decoder, None):  # the second time from the cache
        monkeypatch.setattr(folder, "Decoder", decode)
        reports = []
        check(load_folder(root, FolderOptions(bad_pictures="skip"), progress=False, report=reports.append), written)
        found = [line.removeprefix("warning: left out: ").partition(" cannot be read: ")[0] for line in reports]
        assert found == expected
    monkeypatch.setattr(folder, "Decoder", decoder)
    with pytest.raises(DataError, match="3 of 10 images are bad"):
        load(root)


def test_a_class_of_only_bad_images_is_an_error(tmp_path, rng):
    write_folder(tmp_path, rng)
    for path in (tmp_path / "train" / "dog").iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"all train images of the class dog are bad: .*dog/0000\.png cannot be read"):
        load_folder(tmp_path, FolderOptions(bad_pictures="skip"), progress=False, report=lambda line: None)


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX")
def test_a_file_name_that_is_not_text(tmp_path, rng, capsys):
    write_folder(tmp_path, rng)
    with open(os.fsencode(tmp_path) + b"/train/cat/\xff.png", "wb") as file:
        file.write(b"no image")
    load(tmp_path, bad_pictures="skip")
    assert r"train/cat/\udcff.png cannot be read" in capsys.readouterr().out


def test_second_start_decodes_nothing(tmp_path, rng, monkeypatch):
    written = write_folder(tmp_path / "pets", rng)
    load(tmp_path / "pets")
    monkeypatch.setattr(folder, "Decoder", None)
    data = load(tmp_path / "pets")
    assert data.name == "pets"
    assert data.classes == ("cat", "dog")
    check(data, written)


@pytest.mark.parametrize("change", ["replaced", "added", "removed", "renamed class"])
def test_a_changed_folder_is_read_again(tmp_path, rng, change):
    root = tmp_path / "pets"
    written = write_folder(root, rng)
    load(root)
    cats = root / "train" / "cat"
    if change == "renamed class":
        for split in ("train", "test"):
            (root / split / "cat").rename(root / split / "bat")
        assert load(root).classes == ("bat", "dog")
    elif change == "removed":
        (cats / "0001.png").unlink()
        del written["train"][1]
    else:
        pixels = random_pixels(rng)
        (cats / ("0002.png" if change == "replaced" else "0003.png")).write_bytes(encoded(pixels))
        written["train"][2 if change == "replaced" else 3 : 3] = [(0, pixels)]
    check(load(root), written)
