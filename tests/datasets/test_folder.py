"""datasets/folder.py and pictures.py: every picture and label in its place, every defect named."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from data_files import encoded, random_pixels, write_folder
from PIL import Image

from datasets import folder, pictures
from datasets.dataset import DataError
from datasets.folder import load_folder


def load(root):
    return load_folder(root, progress=False)


def check(data, written):
    for part, images, labels in (
        ("train", data.train_images, data.train_labels),
        ("test", data.test_images, data.test_labels),
    ):
        assert labels.dtype == np.int64
        assert labels.tolist() == [label for label, _ in written[part]]
        assert images.dtype == np.uint8
        expected = np.stack([pixels for _, pixels in written[part]])  # (n, H, W, 3)
        np.testing.assert_array_equal(images, np.moveaxis(expected, 3, 1))


def test_pixels_and_labels(tmp_path, rng):
    written = write_folder(tmp_path / "pets", rng, classes=("ant", "bee", "cat"), train=4, test=1)
    data = load(tmp_path / "pets")
    assert data.name == "pets"
    assert data.classes == ("ant", "bee", "cat")
    check(data, written)


def test_many_pictures_over_several_tasks(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(pictures, "_SHEET", 60)  # three pictures of 5x4 a task
    monkeypatch.setattr(pictures, "_THREADS_FROM", 1)
    written = write_folder(tmp_path, rng, train=10, test=7)
    check(load(tmp_path), written)


def test_jpeg_as_pillow_decodes_it(tmp_path, rng):
    write_folder(tmp_path, rng, ending="jpg")
    data = load(tmp_path)
    with Image.open(tmp_path / "train" / "dog" / "0001.jpg") as picture:
        np.testing.assert_array_equal(data.train_images[4].transpose(1, 2, 0), np.asarray(picture))


def test_endings_and_what_is_passed_over(tmp_path, rng):
    written = write_folder(tmp_path, rng)
    cats = tmp_path / "train" / "cat"
    (cats / "0000.png").rename(cats / "0000.PNG")
    for name in ("._0000.png", "notes.txt", "Thumbs.db"):
        (cats / name).write_text("no picture")
    (tmp_path / "train" / ".hidden").mkdir()
    (tmp_path / "train" / "readme.txt").write_text("no class")
    pixels = random_pixels(rng)
    (cats / "0003.jpeg").write_bytes(encoded(pixels, "jpeg"))
    with Image.open(cats / "0003.jpeg") as picture:
        written["train"].insert(3, (0, np.asarray(picture)))
    check(load(tmp_path), written)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1"])
def test_other_colours_become_rgb(tmp_path, rng, mode):
    write_folder(tmp_path, rng)
    grey = np.repeat(random_pixels(rng)[:, :, :1] // 128 * 255, 3, axis=2)  # black and white survive every mode
    (tmp_path / "test" / "cat" / "0000.png").write_bytes(encoded(grey, mode=mode))
    with Image.open(tmp_path / "test" / "cat" / "0000.png") as picture:
        assert picture.mode == mode
    np.testing.assert_array_equal(load(tmp_path).test_images[0], grey.transpose(2, 0, 1))


def test_palette_with_transparency(tmp_path, rng):
    write_folder(tmp_path, rng)
    picture = Image.new("P", (4, 5), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    picture.save(tmp_path / "train" / "cat" / "0000.png", transparency=b"\x80\x00")
    assert np.unique(load(tmp_path).train_images[0].reshape(3, -1), axis=1).tolist() == [[10], [20], [30]]


def test_cmyk_jpeg(tmp_path, rng):
    write_folder(tmp_path, rng)
    Image.new("CMYK", (4, 5), (0, 0, 0, 0)).save(tmp_path / "train" / "cat" / "0000.jpg")
    assert (load(tmp_path).train_images[0] == 255).all()


def test_sixteen_bits_are_refused(tmp_path, rng):
    write_folder(tmp_path, rng)
    Image.new("I;16", (4, 5), 1000).save(tmp_path / "train" / "dog" / "0000.png")
    with pytest.raises(DataError, match=r"train/dog/0000\.png has pixels of mode I;16, expected 8 bits"):
        load(tmp_path)


def read_or_error(root):
    """The training pictures, or the error's text."""
    try:
        return load(root).train_images
    except DataError as error:
        return str(error)


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_truncated_picture_is_named(tmp_path, rng, ending):
    write_folder(tmp_path, rng, ending=ending)
    whole = load(tmp_path).train_images
    path = tmp_path / "train" / "dog" / f"0002.{ending}"
    contents = path.read_bytes()
    errors = 0
    for length in range(0, len(contents), 3):
        path.write_bytes(contents[:length])
        found = read_or_error(tmp_path)
        if isinstance(found, str):
            assert found.startswith(f"{path} cannot be read: ")
            assert "\n" not in found
            errors += 1
        else:  # a PNG may lack its last bytes, which hold no pixels
            np.testing.assert_array_equal(found, whole)
    assert errors * 3 >= len(contents) - 20


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_damaged_picture_is_read_or_named(tmp_path, rng, ending):
    """Wherever a byte is wrong, nothing but DataError comes of it, and it names the picture."""
    write_folder(tmp_path, rng, ending=ending)
    path = tmp_path / "train" / "cat" / f"0001.{ending}"
    contents = path.read_bytes()
    errors = 0
    for position in range(0, len(contents), 5):
        path.write_bytes(contents[:position] + bytes([contents[position] ^ 0x55]) + contents[position + 1 :])
        found = read_or_error(tmp_path)
        assert isinstance(found, np.ndarray) or str(path) in found
        errors += isinstance(found, str)
    assert errors >= 3


def test_more_pictures_than_memory(tmp_path, rng):
    class Many(list):
        def __len__(self):
            return 1 << 50

    write_folder(tmp_path, rng)
    path = str(tmp_path / "train" / "cat" / "0000.png")
    with pytest.raises(DataError, match=r"pictures of 4x5, the size of .*cat/0000\.png: Unable to allocate"):
        pictures.decode_pictures(Many([path]), lambda name: Path(name).read_bytes(), progress=False)


def test_other_formats_under_a_false_name(tmp_path, rng):
    write_folder(tmp_path, rng)
    Image.new("RGB", (4, 5)).save(tmp_path / "train" / "cat" / "0001.png", "BMP")
    with pytest.raises(DataError, match=r"cat/0001\.png cannot be read: it is neither a JPEG nor a PNG"):
        load(tmp_path)


def test_a_folder_named_as_a_picture(tmp_path, rng):
    write_folder(tmp_path, rng)
    (tmp_path / "test" / "cat" / "x.jpg").mkdir()
    with pytest.raises(DataError, match=r"cat/x\.jpg cannot be read: .*directory"):
        load(tmp_path)


@pytest.mark.parametrize("part", ["train", "test"])
def test_first_of_several_other_sizes_is_named(tmp_path, rng, part, monkeypatch):
    monkeypatch.setattr(pictures, "_SHEET", 20)  # one picture a task
    monkeypatch.setattr(pictures, "_THREADS_FROM", 1)
    write_folder(tmp_path, rng)
    (tmp_path / part / "dog" / "0000.png").write_bytes(encoded(random_pixels(rng, height=4, width=5)))
    (tmp_path / part / "dog" / "0001.png").write_bytes(encoded(random_pixels(rng, height=9, width=9)))
    with pytest.raises(DataError, match=rf"{part}/dog/0000\.png is 5x4, expected 4x5 as .*train/cat/0000\.png is"):
        load(tmp_path)


def test_missing_folders(tmp_path, rng):
    with pytest.raises(DataError, match="nothing does not exist"):
        load(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file is not a folder"):
        load(tmp_path / "file")
    for part in ("train", "test"):
        write_folder(tmp_path / part, rng)
        shutil.rmtree(tmp_path / part / part)
        with pytest.raises(DataError, match=f"has no folder {part}, expected train and test"):
            load(tmp_path / part)


@pytest.mark.parametrize("part", ["train", "test"])
def test_empty_class_is_named(tmp_path, rng, part):
    write_folder(tmp_path, rng)
    for path in (tmp_path / part / "cat").iterdir():
        path.unlink()
    (tmp_path / part / "cat" / "notes.txt").write_text("")
    with pytest.raises(DataError, match=f"{part}/cat is empty, expected pictures"):
        load(tmp_path)


def test_no_classes(tmp_path, rng):
    write_folder(tmp_path, rng)
    shutil.rmtree(tmp_path / "test")
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match="test has no folders, expected one a class"):
        load(tmp_path)


@pytest.mark.parametrize(("part", "other"), [("train", "test"), ("test", "train")])
def test_classes_that_differ(tmp_path, rng, part, other):
    write_folder(tmp_path, rng)
    shutil.copytree(tmp_path / part / "cat", tmp_path / part / "eel")
    with pytest.raises(DataError, match=f"the class eel is in {part} but not in {other}"):
        load(tmp_path)


def test_second_start_decodes_nothing(tmp_path, rng, monkeypatch):
    written = write_folder(tmp_path / "pets", rng)
    load(tmp_path / "pets")
    monkeypatch.setattr(folder, "decode_pictures", None)
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
        for part in ("train", "test"):
            (root / part / "cat").rename(root / part / "bat")
        assert load(root).classes == ("bat", "dog")
    elif change == "removed":
        (cats / "0001.png").unlink()
        del written["train"][1]
    else:
        pixels = random_pixels(rng)
        (cats / ("0002.png" if change == "replaced" else "0003.png")).write_bytes(encoded(pixels))
        written["train"][2 if change == "replaced" else 3 : 3] = [(0, pixels)]
    check(load(root), written)
