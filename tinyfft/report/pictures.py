"""Arrays -> pictures that stand in the page itself: PNG files as data URIs.

    kernels   grey is 0, white and black are plus and minus the largest weight of the layer; three maps are the colours
    spectra   |DFT| of a kernel, filled up with zeros to N x N, frequency 0 in the middle; black is 0, white the largest

All of a grid share one scale, so that small kernels look small.
"""

import base64
import io

import numpy as np
from PIL import Image

N = 32  # frequencies each way
LARGEST = 96  # pixels of an example, each way
COLUMNS = 8
MOST = 96  # kernels


def data_uri(picture: np.ndarray) -> str:
    """The picture, uint8 (H, W, 3) or with alpha (H, W, 4), as the text of a PNG that <img src> takes."""
    return _uri(Image.fromarray(picture))


def example(picture: np.ndarray) -> str:
    """The data URI of (3, H, W), uint8; a larger one than LARGEST is made smaller."""
    image = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
    image.thumbnail((LARGEST, LARGEST))
    return _uri(image)


def kernels(weight: np.ndarray) -> np.ndarray:
    """(F, C, kH, kW) -> uint8 (F, kH, kW, 3), or (F C, kH, kW, 3) in grey unless C is 3; the first MOST."""
    planes = _planes(weight)
    return np.rint(127.5 + 127.5 * planes / _largest(planes)).astype(np.uint8)


def spectra(weight: np.ndarray) -> np.ndarray:
    """(F, C, kH, kW) -> uint8 (F, M, M, 3), as `kernels`; M is N, or the kernel's size where that is larger."""
    planes = _planes(weight)
    size = max(N, *planes.shape[1:3])
    magnitudes = np.fft.fftshift(np.abs(np.fft.fft2(planes, (size, size), axes=(1, 2))), axes=(1, 2))
    return np.rint(255 * magnitudes / _largest(magnitudes)).astype(np.uint8)


def grid(pictures: np.ndarray, gap: int) -> np.ndarray:
    """uint8 (n, h, w, 3) -> one picture with alpha, COLUMNS in a row, `gap` clear pixels between them."""
    n, h, w = pictures.shape[:3]
    columns = min(n, COLUMNS)
    rows = -(-n // columns)
    whole = np.zeros((rows * (h + gap) - gap, columns * (w + gap) - gap, 4), np.uint8)
    for number, picture in enumerate(pictures):
        top, left = (number // columns) * (h + gap), (number % columns) * (w + gap)
        whole[top : top + h, left : left + w, :3] = picture
        whole[top : top + h, left : left + w, 3] = 255
    return whole


def _planes(weight: np.ndarray) -> np.ndarray:
    """float64 (n, kH, kW, 3)."""
    F, C, kH, kW = weight.shape
    colours = weight if C == 3 else np.repeat(weight.reshape(F * C, 1, kH, kW), 3, axis=1)
    return colours[:MOST].astype(np.float64).transpose(0, 2, 3, 1)


def _largest(values: np.ndarray) -> float:
    return np.abs(values).max() or 1.0  # all are 0: any scale will do


def _uri(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
