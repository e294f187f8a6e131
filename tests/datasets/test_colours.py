"""datasets/colours.py: known pixels of every mode, as RGB."""

import io

import numpy as np
import pytest
from PIL import Image

from datasets.colours import to_rgb


def pixels(image):
    """Return [[r, g, b], ...] of the first row."""
    result = to_rgb(image)
    assert result.mode == "RGB"
    return np.asarray(result)[0].tolist()


def row(values, dtype=np.uint8):
    """Return an image of one row."""
    return Image.fromarray(np.array([values], dtype))


def reopened(image, format, **options):
    """Return the image after it was written to a file of this format, and opened."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    buffer.seek(0)
    return Image.open(buffer)


def test_rgb_stays_as_it_is():
    image = row([[1, 2, 3], [250, 251, 252]])
    assert to_rgb(image) is image


def test_greyscale():
    assert pixels(row([0, 7, 255])) == [[0] * 3, [7] * 3, [255] * 3]
    assert pixels(row([0, 255]).convert("1")) == [[0] * 3, [255] * 3]


def test_transparency_is_laid_over_white():
    # 0.2 of a colour and 0.8 of white; what is under full transparency does not matter
    assert pixels(row([[100, 0, 50, 255], [100, 0, 50, 0], [100, 0, 50, 51]])) == [
        [100, 0, 50],
        [255, 255, 255],
        [224, 204, 214],
    ]


def test_grey_with_transparency():
    image = Image.fromarray(np.array([[[100, 255], [100, 0], [0, 51]]], np.uint8), "LA")
    assert pixels(image) == [[100] * 3, [255] * 3, [204] * 3]


def test_palette():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert pixels(image) == [[10, 20, 30], [40, 50, 60]]
    assert pixels(reopened(image, "PNG", transparency=b"\xff\x00")) == [[10, 20, 30], [255, 255, 255]]
    assert pixels(reopened(image, "GIF", transparency=0)) == [[255, 255, 255], [40, 50, 60]]


def test_one_colour_that_stands_for_transparent():
    assert pixels(reopened(row([7, 8]), "PNG", transparency=8)) == [[7] * 3, [255] * 3]
    coloured = reopened(row([[1, 2, 3], [4, 5, 6]]), "PNG", transparency=(1, 2, 3))
    assert pixels(coloured) == [[255] * 3, [4, 5, 6]]


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk(format):
    white, red = (0, 0, 0, 0), (0, 255, 255, 0)
    for colour, expected in ((white, (255, 255, 255)), (red, (255, 0, 0))):
        image = reopened(Image.new("CMYK", (8, 8), colour), format)
        assert image.mode == "CMYK"
        assert np.abs(np.array(pixels(image)) - expected).max() <= 3  # of JPEG's rounding


SIXTEEN = [0, 128, 129, 257, 32767, 32896, 65406, 65407, 65535]
EIGHT = [0, 0, 1, 1, 127, 128, 254, 255, 255]  # value / 257, rounded


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_from_a_file(format):
    image = reopened(row(SIXTEEN, np.uint16), format)
    assert image.mode.startswith("I")
    assert pixels(image) == [[value] * 3 for value in EIGHT]


@pytest.mark.parametrize(("mode", "dtype"), [("I;16", "<u2"), ("I;16B", ">u2"), ("I", "<i4")])
def test_sixteen_bits_of_grey_in_every_mode(mode, dtype):
    image = Image.frombytes(mode, (len(SIXTEEN), 1), np.array(SIXTEEN, dtype).tobytes())
    assert pixels(image) == [[value] * 3 for value in EIGHT]


def test_sixteen_bits_of_colour():
    """Pillow itself keeps the upper eight of them."""
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    values = b"\0" + np.array([0, 0x1234, 0xFFFF, 0x8000, 0x00FF, 0xAB00], ">u2").tobytes()
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(values)) + chunk(b"IEND", b"")
    assert pixels(Image.open(io.BytesIO(file))) == [[0, 0x12, 0xFF], [0x80, 0, 0xAB]]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (row([0.5], np.float32), "pixels of mode F, expected 8 bits a channel or greyscale of 16 bits"),
        (Image.new("LAB", (1, 1)), "pixels of mode LAB"),
        (row([0, 65536], np.int32), "pixels from 0 to 65536, expected 0 to 65535"),
        (row([-1, 9], np.int32), "pixels from -1 to 9"),
    ],
)
def test_other_pixels_are_refused(image, message):
    with pytest.raises(ValueError, match=message):
        to_rgb(image)
