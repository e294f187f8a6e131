"""datasets/pictures.py: pictures of every size and kind of file in their place, and every bad one listed."""

import io

import numpy as np
import pytest
from data_files import encoded, random_pixels
from PIL import Image

from datasets import pictures
from datasets.dataset import DataError
from datasets.pictures import BadPicturesError, Decoder


def decoder(files, **options):
    """Of {name: bytes, pixels or a picture}."""
    contents = {name: value if isinstance(value, bytes) else as_file(value) for name, value in files.items()}

    def read(name):
        if name not in contents:
            raise FileNotFoundError(2, "No such file or directory", name)
        return contents[name]

    return Decoder([*files], read, progress=False, **options)


def as_file(value, kind="PNG", **options):
    picture = Image.fromarray(value) if isinstance(value, np.ndarray) else value
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(value, **options):
    """(H, W, 3): one picture."""
    return decoder({"it": value}, **options).all()[0].transpose(1, 2, 0)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "WEBP"])
def test_every_kind_of_file_that_loses_nothing(rng, kind):
    grey = np.repeat(random_pixels(rng)[:, :, :1], 3, axis=2)  # as many colours as a GIF can have
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(decoded(as_file(grey, kind, **options)), grey)


def test_jpeg_as_pillow_decodes_it(rng):
    file = encoded(random_pixels(rng), "jpg")
    np.testing.assert_array_equal(decoded(file), np.asarray(Image.open(io.BytesIO(file))))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_pictures_in_a_file_the_first(kind):
    first, second = (Image.new("RGB", (4, 5), colour) for colour in ("red", "blue"))
    options = {"lossless": True} if kind == "WEBP" else {}
    file = as_file(first, kind, save_all=True, append_images=[second], **options)
    with Image.open(io.BytesIO(file)) as picture:
        assert picture.n_frames == 2
    assert (decoded(file) == (255, 0, 0)).all()


@pytest.mark.parametrize("kind", ["PPM", "ICO", "PCX", "EPS"])
def test_other_kinds_stay_shut(kind):
    with pytest.raises(DataError, match="it cannot be read: it is no picture of the kinds JPEG, PNG, WEBP, BMP, GIF"):
        decoder({"it": as_file(Image.new("RGB", (16, 16)), kind)})


# How the stored rows and columns are made from the picture as it should be seen, by the definition of the EXIF tag.
STORED = {
    1: lambda seen: seen,
    2: lambda seen: seen[:, ::-1],
    3: lambda seen: seen[::-1, ::-1],
    4: lambda seen: seen[::-1],
    5: lambda seen: seen.transpose(1, 0, 2),
    6: lambda seen: seen.transpose(1, 0, 2)[::-1],  # its first row is the right-hand side
    7: lambda seen: seen[::-1, ::-1].transpose(1, 0, 2),
    8: lambda seen: seen.transpose(1, 0, 2)[:, ::-1],
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_turned_as_exif_says(rng, orientation, kind):
    seen = random_pixels(rng, height=5, width=4)
    exif = Image.Exif()
    exif[274] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    file = as_file(np.ascontiguousarray(STORED[orientation](seen)), kind, exif=exif, **options)
    np.testing.assert_array_equal(decoded(file), seen)


@pytest.mark.parametrize("orientation", STORED)
def test_turned_and_cut_out(orientation):
    """Of a JPEG of 96 x 32 as it is seen, grey, with a white left and a black right third, the middle is grey."""
    seen = np.full((32, 96, 3), 128, np.uint8)
    seen[:, :32], seen[:, 64:] = 255, 0
    exif = Image.Exif()
    exif[274] = orientation
    file = as_file(np.ascontiguousarray(STORED[orientation](seen)), "JPEG", exif=exif, quality=95)
    assert np.abs(decoded(file, size=32)[:, 2:-2].astype(int) - 128).max() <= 6
    stretched = decoded(file, size=32, fit="stretch").astype(int)
    assert (stretched[:, 2].min() > 240, stretched[:, -3].max() < 15) == (True, True)


@pytest.mark.parametrize("value", [0, 9, 12345])
def test_an_orientation_that_means_nothing(rng, value):
    seen = random_pixels(rng)
    exif = Image.Exif()
    exif[274] = value
    np.testing.assert_array_equal(decoded(as_file(seen, exif=exif)), seen)


def quarters(height, width):
    """The upper left quarter red, the upper right green, the lower left blue, the lower right white."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2, 0] = 255
    picture[: height // 2, width // 2 :, 1] = 255
    picture[height // 2 :, : width // 2, 2] = 255
    picture[height // 2 :, width // 2 :] = 255
    return picture


@pytest.mark.parametrize("fit", ["crop", "stretch"])
@pytest.mark.parametrize("size", [(16, 16), (32, 32), (40, 90), (500, 64), (8, 8), (3, 200)])
def test_every_picture_becomes_a_square(size, fit):
    found = decoded(quarters(*size), size=16, fit=fit)
    assert found.shape == (16, 16, 3)
    if fit == "stretch" or min(size) >= 8:  # the corners, far from the borders that the filter smooths
        corners = found[[0, 0, -1, -1], [0, -1, 0, -1]].astype(int)
        assert np.abs(corners - [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]).max() <= 40


def test_of_the_right_size_nothing_changes(rng):
    picture = random_pixels(rng, 16, 16)
    np.testing.assert_array_equal(decoded(picture, size=16), picture)


def test_cropping_keeps_the_shape_of_things_and_the_middle():
    picture = np.zeros((32, 96, 3), np.uint8)
    picture[:, 32:64] = 200
    assert (decoded(picture, size=16) >= 180).all()
    bars = decoded(picture, size=24, fit="stretch")[:, :, 0]
    assert (bars[:, :7].max() < 20, bars[:, 9:15].min() > 180, bars[:, 17:].max() < 20) == (True, True, True)


def test_shrinking_averages():
    """Stripes of one pixel become grey: a filter that takes single pixels would keep or lose them."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, ::2] = 255
    assert np.abs(decoded(picture, size=16).astype(int) - 127).max() <= 12
    assert np.abs(decoded(as_file(picture, "JPEG", quality=95), size=4).astype(int) - 127).max() <= 8


def test_pictures_of_many_kinds_and_sizes_together(rng):
    files = {
        "a": as_file(Image.new("L", (30, 20), 9)),
        "b": as_file(Image.new("RGBA", (9, 40), (10, 20, 30, 0))),
        "c": as_file(Image.new("I;16", (16, 16), 257 * 50)),
        "d": as_file(Image.new("RGB", (200, 300), (1, 2, 3)), "BMP"),
    }
    images = decoder(files, size=16).all()
    assert images.shape == (4, 3, 16, 16)
    for image, colour in zip(images, ([9] * 3, [255] * 3, [50] * 3, [1, 2, 3]), strict=True):
        assert np.unique(image.reshape(3, -1), axis=1).T.tolist() == [colour]


def test_batches_are_the_pictures_in_order(rng, monkeypatch):
    monkeypatch.setattr(pictures, "_SHEET", 60)  # three pictures of 5x4 a task
    monkeypatch.setattr(pictures, "_THREADS_FROM", 1)
    written = [random_pixels(rng) for _ in range(10)]
    made = decoder({str(i): pixels for i, pixels in enumerate(written)})
    for _ in range(2):
        batches = list(made.batches())
        assert [len(batch) for batch in batches] == [3, 3, 3, 1]
        np.testing.assert_array_equal(np.concatenate(batches), np.stack(written).transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(made.all(), np.concatenate(batches))


BAD = {"cut": encoded(random_pixels(np.random.default_rng(0)))[:70], "text": b"no picture", "nothing": b""}


def test_bad_pictures_are_counted_and_listed_with_their_causes(rng):
    files = {"good": random_pixels(rng), **BAD, "float": as_file(Image.new("F", (4, 5)), "TIFF")}
    with pytest.raises(BadPicturesError) as caught:
        decoder(files).all()
    text = str(caught.value)
    assert text.startswith("4 of 5 pictures are bad: cut cannot be read: ")
    assert "text cannot be read: it is no picture of the kinds JPEG, " in text
    assert text.endswith("; float cannot be read: pixels of mode F, expected 8 bits a channel or greyscale of 16 bits")
    assert "\n" not in text


def test_of_many_bad_pictures_the_first_are_listed(rng):
    files = {"good": random_pixels(rng)} | {f"bad{i}": b"" for i in range(7)}
    with pytest.raises(BadPicturesError, match=r"^7 of 8 pictures are bad: bad0 .*; bad4 .*; and 2 more$"):
        decoder(files).all()


def test_one_bad_picture_is_named(rng):
    with pytest.raises(BadPicturesError, match=r"^text cannot be read: it is no picture"):
        decoder({"good": random_pixels(rng), "text": b"no picture"}).all()


def test_bad_pictures_are_skipped_where_that_is_wanted(rng):
    good = [random_pixels(rng) for _ in range(3)]
    files = {"nothing": b"", "a": good[0], "text": b"x", "b": good[1], "c": good[2]}
    made = decoder(files, skip=True)
    images = made.all()
    np.testing.assert_array_equal(images[[1, 3, 4]], np.stack(good).transpose(0, 3, 1, 2))
    assert not images[[0, 2]].any()
    assert made.bad.keys() == {0, 2}
    assert made.bad[2].startswith("text cannot be read: ")


@pytest.mark.parametrize("skip", [False, True])
def test_bad_pictures_alone(skip):
    with pytest.raises(BadPicturesError, match="3 of 3 pictures are bad"):
        decoder(BAD, skip=skip)


@pytest.mark.parametrize("skip", [False, True])
def test_the_first_of_another_size_is_named(rng, skip):
    files = {"bad": b"", "a": random_pixels(rng), "b": random_pixels(rng, 4, 5), "c": random_pixels(rng, 9, 9)}
    with pytest.raises(DataError, match=r"^b is 5x4, expected 4x5 as a is; data.size = N makes all pictures N x N$"):
        decoder(files, skip=skip).all()


def test_a_shape_that_all_must_have(rng):
    pixels = random_pixels(rng)
    np.testing.assert_array_equal(decoded(pixels, shape=(3, 5, 4)), pixels)
    with pytest.raises(DataError, match=r"^it is 4x5, expected 4x4$"):
        decoded(pixels, shape=(3, 4, 4))


def test_more_pictures_than_memory(rng):
    class Many(list):
        def __len__(self):
            return 1 << 50

    made = Decoder(Many(["it"]), lambda name: encoded(random_pixels(rng)), progress=False)
    with pytest.raises(DataError, match=r"1125899906842624 pictures of 4x5: Unable to allocate"):
        made.all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
@pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")
def test_a_damaged_file_is_read_or_named(rng, kind):
    """Wherever a byte is wrong, or the file ends, nothing but DataError comes of it, and it names the picture."""
    exif = Image.Exif()
    exif[274] = 6
    whole = as_file(random_pixels(rng), kind, **({} if kind in ("BMP", "GIF") else {"exif": exif}))
    changed = [whole[:p] + bytes([whole[p] ^ 0x55]) + whole[p + 1 :] for p in range(0, len(whole), 3)]
    cut = [whole[:length] for length in range(0, len(whole), 3)]
    found = [outcome(contents) for contents in changed + cut]
    texts = [text for text in found if text != (4, 4, 3)]
    assert all(text.startswith("it cannot be read: ") and "\n" not in text for text in texts)
    assert len(texts) >= 10


def outcome(contents):
    """The shape of the picture, or the error's text."""
    try:
        return decoded(contents, size=4).shape
    except DataError as error:
        return str(error)
