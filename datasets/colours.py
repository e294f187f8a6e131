"""A picture as Pillow decodes it -> RGB with 8 bits a channel.

    transparent                 laid over white
    greyscale, palette, CMYK    as Pillow converts them
    16-bit greyscale            value / 257, rounded: 65535 becomes 255

Raises ValueError for pixels that are no such colours: floating point, more than 16 bits, Lab, ...
"""

import numpy as np
from PIL import Image

_OPAQUE = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr")
_TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
# Pillow before version 10.3 opens greyscale PNG files of 16 bits in the mode I.
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N", "I")


def to_rgb(picture: Image.Image) -> Image.Image:
    """The picture in mode RGB; itself if it is that already."""
    if picture.mode in _SIXTEEN_BITS:
        return Image.fromarray(_eight_bits(np.asarray(picture))).convert("RGB")
    if picture.mode not in _OPAQUE + _TRANSPARENT:
        raise ValueError(f"pixels of mode {picture.mode}, expected 8 bits a channel or greyscale of 16 bits")
    # A palette may have transparent colours, and a greyscale or RGB picture one colour that stands for transparent.
    if picture.mode in _TRANSPARENT or "transparency" in picture.info:
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """(H, W) of 0 to 65535 as uint8."""
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"pixels from {values.min()} to {values.max()}, expected 0 to 65535")
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
