"""Images embedded in a page: PNG files as data URIs, and the images of kernels and spectra.

    kernels   grey is 0, white and black are plus and minus the largest absolute weight; three maps are shown as colours
    spectra   |DFT| of a kernel, zero-padded to M x M, frequency 0 in the centre; black is 0, white the largest value

All images of a grid share one scale, so that small kernels look small.
"""

import base64
import io

import numpy as np
from PIL import Image

SPECTRUM_SIZE = 32  # frequencies along each axis
EXAMPLE_PIXELS = 96  # largest width and height of an example
GRID_COLUMNS = 8
MAX_KERNELS = 96


def data_uri(image: np.ndarray) -> str:
    """Return an image, uint8 (H, W, 3) or with alpha (H, W, 4), as the data URI of a PNG."""
    return _uri(Image.fromarray(image))


def example(image: np.ndarray) -> str:
    """Return the data URI of an image, uint8 (3, H, W), scaled down to EXAMPLE_PIXELS if it is larger."""
    thumbnail = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
    thumbnail.thumbnail((EXAMPLE_PIXELS, EXAMPLE_PIXELS))
    return _uri(thumbnail)


def kernels(weight: np.ndarray) -> np.ndarray:
    """Return the first MAX_KERNELS of the weights (F, C, kH, kW) as images: uint8 (F, kH, kW, 3) if C is 3, else grey
    (F C, kH, kW, 3)."""
    planes = _planes(weight)
    return np.rint(127.5 + 127.5 * planes / _largest(planes)).astype(np.uint8)


def spectra(weight: np.ndarray) -> np.ndarray:
    """Return the spectra of the images of `kernels`: uint8 (n, M, M, 3), M = max(SPECTRUM_SIZE, kH, kW)."""
    planes = _planes(weight)
    size = max(SPECTRUM_SIZE, *planes.shape[1:3])
    magnitudes = np.fft.fftshift(np.abs(np.fft.fft2(planes, (size, size), axes=(1, 2))), axes=(1, 2))
    return np.rint(255 * magnitudes / _largest(magnitudes)).astype(np.uint8)


def grid(images: np.ndarray, gap: int) -> np.ndarray:
    """Return uint8 images (n, h, w, 3) as one image with alpha: GRID_COLUMNS in a row, `gap` transparent pixels
    between them."""
    n, h, w = images.shape[:3]
    columns = min(n, GRID_COLUMNS)
    rows = -(-n // columns)
    cells = np.zeros((rows * columns, h + gap, w + gap, 4), np.uint8)
    cells[:n, :h, :w, :3] = images
    cells[:n, :h, :w, 3] = 255
    height, width = rows * (h + gap), columns * (w + gap)
    whole = cells.reshape(rows, columns, h + gap, w + gap, 4).swapaxes(1, 2).reshape(height, width, 4)
    return whole[: height - gap, : width - gap]


def _planes(weight: np.ndarray) -> np.ndarray:
    """Return the weights as float64 (n, kH, kW, 3)."""
    F, C, kH, kW = weight.shape
    colours = weight if C == 3 else np.repeat(weight.reshape(F * C, 1, kH, kW), 3, axis=1)
    return colours[:MAX_KERNELS].astype(np.float64).transpose(0, 2, 3, 1)


def _largest(values: np.ndarray) -> float:
    return np.abs(values).max() or 1.0  # if all values are 0, any scale is right


def _uri(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
