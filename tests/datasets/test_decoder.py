"""datasets/decoder.py: images of every size and file format in their place, and every bad image listed."""

import io

import numpy as np
import pytest
from data_files import encoded, random_pixels
from PIL import Image

from datasets import decoder as module
from datasets.dataset import DataError
from datasets.decoder import BadImagesError, Decoder


def decoder(files, **options):
    """Return a Decoder of {name: bytes, pixels or a Pillow image}."""
    contents = {name: value if isinstance(value, bytes) else as_file(value) for name, value in files.items()}

    def read(name):
        if name not in contents:
            raise FileNotFoundError(2, "No such file or directory", name)
        return contents[name]

    return Decoder([*files], read, progress=False, **options)


def as_file(value, format="PNG", **options):
    image = Image.fromarray(value) if isinstance(value, np.ndarray) else value
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def decoded(value, **options):
    """Return one decoded image, (H, W, 3)."""
    return decoder({"it": value}, **options).all()[0].transpose(1, 2, 0)


@pytest.mark.parametrize("format", ["PNG", "BMP", "GIF", "TIFF", "WEBP"])
def test_every_lossless_format(rng, format):
    grey = np.repeat(random_pixels(rng)[:, :, :1], 3, axis=2)  # as many colours as a GIF can have
    options = {"lossless": True} if format == "WEBP" else {}
    np.testing.assert_array_equal(decoded(as_file(grey, format, **options)), grey)


def test_jpeg_as_pillow_decodes_it(rng):
    file = encoded(random_pixels(rng), "jpg")
    np.testing.assert_array_equal(decoded(file), np.asarray(Image.open(io.BytesIO(file))))


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame(format):
    first, second = (Image.new("RGB", (4, 5), colour) for colour in ("red", "blue"))
    options = {"lossless": True} if format == "WEBP" else {}
    file = as_file(first, format, save_all=True, append_images=[second], **options)
    with Image.open(io.BytesIO(file)) as image:
        assert image.n_frames == 2
    assert (decoded(file) == (255, 0, 0)).all()


@pytest.mark.parametrize("format", ["PPM", "ICO", "PCX", "EPS"])
def test_other_formats_are_refused(format):
    with pytest.raises(DataError, match="it cannot be read: its format is not one of JPEG, PNG, WEBP, BMP, GIF, TIFF"):
        decoder({"it": as_file(Image.new("RGB", (16, 16)), format)})


# The stored pixels of the upright image `seen`, by the definition of the EXIF tag.
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


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation(rng, orientation, format):
    seen = random_pixels(rng, height=5, width=4)
    exif = Image.Exif()
    exif[274] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    file = as_file(np.ascontiguousarray(STORED[orientation](seen)), format, exif=exif, **options)
    np.testing.assert_array_equal(decoded(file), seen)


@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_and_size(orientation):
    """The upright image is 96 x 32 with a white left, a grey middle and a black right third: "crop" keeps the grey."""
    seen = np.full((32, 96, 3), 128, np.uint8)
    seen[:, :32], seen[:, 64:] = 255, 0
    exif = Image.Exif()
    exif[274] = orientation
    file = as_file(np.ascontiguousarray(STORED[orientation](seen)), "JPEG", exif=exif, quality=95)
    assert np.abs(decoded(file, size=32)[:, 2:-2].astype(int) - 128).max() <= 6
    stretched = decoded(file, size=32, fit="stretch").astype(int)
    assert (stretched[:, 2].min() > 240, stretched[:, -3].max() < 15) == (True, True)


@pytest.mark.parametrize("value", [0, 9, 12345])
def test_an_invalid_orientation_is_ignored(rng, value):
    seen = random_pixels(rng)
    exif = Image.Exif()
    exif[274] = value
    np.testing.assert_array_equal(decoded(as_file(seen, exif=exif)), seen)


def quarters(height, width):
    """The upper left quarter red, the upper right green, the lower left blue, the lower right white."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2, 0] = 255
    image[: height // 2, width // 2 :, 1] = 255
    image[height // 2 :, : width // 2, 2] = 255
    image[height // 2 :, width // 2 :] = 255
    return image


@pytest.mark.parametrize("fit", ["crop", "stretch"])
@pytest.mark.parametrize("size", [(16, 16), (32, 32), (40, 90), (500, 64), (8, 8), (3, 200)])
def test_every_image_becomes_a_square(size, fit):
    found = decoded(quarters(*size), size=16, fit=fit)
    assert found.shape == (16, 16, 3)
    if fit == "stretch" or min(size) >= 8:  # the corners, far from the borders that the filter smooths
        corners = found[[0, 0, -1, -1], [0, -1, 0, -1]].astype(int)
        assert np.abs(corners - [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]).max() <= 40


def test_an_image_of_the_right_size_does_not_change(rng):
    image = random_pixels(rng, 16, 16)
    np.testing.assert_array_equal(decoded(image, size=16), image)


def test_cropping_keeps_the_aspect_ratio_and_the_middle():
    image = np.zeros((32, 96, 3), np.uint8)
    image[:, 32:64] = 200
    assert (decoded(image, size=16) >= 180).all()
    bars = decoded(image, size=24, fit="stretch")[:, :, 0]
    assert (bars[:, :7].max() < 20, bars[:, 9:15].min() > 180, bars[:, 17:].max() < 20) == (True, True, True)


def test_shrinking_averages():
    """Stripes of one pixel become grey; sampling single pixels would keep or lose them."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, ::2] = 255
    assert np.abs(decoded(image, size=16).astype(int) - 127).max() <= 12
    assert np.abs(decoded(as_file(image, "JPEG", quality=95), size=4).astype(int) - 127).max() <= 8


def test_images_of_many_formats_and_sizes_together(rng):
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


def test_batches_are_the_images_in_order(rng, monkeypatch):
    monkeypatch.setattr(module, "_PIXELS_PER_TASK", 60)  # three images of 5x4
    monkeypatch.setattr(module, "_MIN_PIXELS_FOR_THREADS", 1)
    written = [random_pixels(rng) for _ in range(10)]
    made = decoder({str(i): pixels for i, pixels in enumerate(written)})
    for _ in range(2):
        batches = list(made.batches())
        assert [len(batch) for batch in batches] == [3, 3, 3, 1]
        np.testing.assert_array_equal(np.concatenate(batches), np.stack(written).transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(made.all(), np.concatenate(batches))


BAD = {"cut": encoded(random_pixels(np.random.default_rng(0)))[:70], "text": b"no image", "nothing": b""}


def test_bad_images_are_counted_and_listed_with_their_causes(rng):
    files = {"good": random_pixels(rng), **BAD, "float": as_file(Image.new("F", (4, 5)), "TIFF")}
    with pytest.raises(BadImagesError) as caught:
        decoder(files).all()
    text = str(caught.value)
    assert text.startswith("4 of 5 images are bad: cut cannot be read: ")
    assert "text cannot be read: its format is not one of JPEG, " in text
    assert text.endswith("; float cannot be read: pixels of mode F, expected 8 bits a channel or greyscale of 16 bits")
    assert "\n" not in text


def test_of_many_bad_images_the_first_are_listed(rng):
    files = {"good": random_pixels(rng)} | {f"bad{i}": b"" for i in range(7)}
    with pytest.raises(BadImagesError, match=r"^7 of 8 images are bad: bad0 .*; bad4 .*; and 2 more$"):
        decoder(files).all()


def test_one_bad_image_is_named(rng):
    with pytest.raises(BadImagesError, match=r"^text cannot be read: its format is not one of JPEG, "):
        decoder({"good": random_pixels(rng), "text": b"no image"}).all()


def test_bad_images_are_skipped_if_requested(rng):
    good = [random_pixels(rng) for _ in range(3)]
    files = {"nothing": b"", "a": good[0], "text": b"x", "b": good[1], "c": good[2]}
    made = decoder(files, skip=True)
    images = made.all()
    np.testing.assert_array_equal(images[[1, 3, 4]], np.stack(good).transpose(0, 3, 1, 2))
    assert not images[[0, 2]].any()
    assert made.bad.keys() == {0, 2}
    assert made.bad[2].startswith("text cannot be read: ")


@pytest.mark.parametrize("skip", [False, True])
def test_bad_images_alone(skip):
    with pytest.raises(BadImagesError, match="3 of 3 images are bad"):
        decoder(BAD, skip=skip)


@pytest.mark.parametrize("skip", [False, True])
def test_the_first_of_another_size_is_named(rng, skip):
    files = {"bad": b"", "a": random_pixels(rng), "b": random_pixels(rng, 4, 5), "c": random_pixels(rng, 9, 9)}
    with pytest.raises(DataError, match=r"^b is 5x4, expected 4x5 as a is; data.size = N makes all images N x N$"):
        decoder(files, skip=skip).all()


def test_a_shape_that_all_must_have(rng):
    pixels = random_pixels(rng)
    np.testing.assert_array_equal(decoded(pixels, shape=(3, 5, 4)), pixels)
    with pytest.raises(DataError, match=r"^it is 4x5, expected 4x4$"):
        decoded(pixels, shape=(3, 4, 4))


def test_more_images_than_memory(rng):
    class Many(list):
        def __len__(self):
            return 1 << 50

    made = Decoder(Many(["it"]), lambda name: encoded(random_pixels(rng)), progress=False)
    with pytest.raises(DataError, match=r"1125899906842624 images of 4x5: Unable to allocate"):
        made.all()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
@pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")
def test_a_damaged_file_is_read_or_named(rng, format):
    """With any wrong byte, or cut anywhere, the file is decoded or raises a DataError that names it."""
    exif = Image.Exif()
    exif[274] = 6
    whole = as_file(random_pixels(rng), format, **({} if format in ("BMP", "GIF") else {"exif": exif}))
    changed = [whole[:p] + bytes([whole[p] ^ 0x55]) + whole[p + 1 :] for p in range(0, len(whole), 3)]
    cut = [whole[:length] for length in range(0, len(whole), 3)]
    found = [outcome(contents) for contents in changed + cut]
    texts = [text for text in found if text != (4, 4, 3)]
    assert all(text.startswith("it cannot be read: ") and "\n" not in text for text in texts)
    assert len(texts) >= 10


def outcome(contents):
    """Return the shape of the image, or the error's text."""
    try:
        return decoded(contents, size=4).shape
    except DataError as error:
        return str(error)
