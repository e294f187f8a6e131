"""Convert an image as Pillow decodes it to RGB with 8 bits a channel.

    transparent                 composited over white
    greyscale, palette, CMYK    converted by Pillow
    16-bit greyscale            value / 257, rounded: 65535 becomes 255

Raises ValueError for other pixels: floating point, more than 16 bits, Lab, ...
"""

import numpy as np
from PIL import Image

_OPAQUE = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr")
_TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
# Pillow before version 10.3 opens greyscale PNG files of 16 bits in the mode I.
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N", "I")


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the image in mode RGB. An image that is in mode RGB already is returned itself."""
    if image.mode in _SIXTEEN_BITS:
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if image.mode not in _OPAQUE + _TRANSPARENT:
        raise ValueError(f"pixels of mode {image.mode}, expected 8 bits a channel or greyscale of 16 bits")
    # A palette may have transparent colours; a greyscale or RGB image may declare one colour to be transparent.
    if image.mode in _TRANSPARENT or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Scale values (H, W) from 0..65535 to uint8."""
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"pixels from {values.min()} to {values.max()}, expected 0 to 65535")
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
