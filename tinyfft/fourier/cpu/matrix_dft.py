"""A short DFT as a matrix product: BLAS is the fastest thing that NumPy owns.

Columns and rows are transformed by real matrix products with cosines and sines. The matrices have no columns for input
points that are zero and no rows for output points that are cropped: these points cost nothing. Planes are innermost
from the first product to the last: each is one large product whose operands need no copy:

    forward  X[(kx, c), y, p]    = E[(kx, c), x] x[p, y, x]^T         for each y; c is the real or the imaginary part
             out[kx, (j, ky), p] = F[(j, ky), (c, y)] X[kx, (c, y), p]            for each kx <= Nx / 2
    inverse  Z[kx, (c, y), p]    = G[(c, y), (j, ky)] hat[kx, (j, ky), p]         for each kx
             x[p, y, x]          = Z[(kx, c), y, p]^T H[(kx, c), x]               for each y

A spectrum is stored as three real planes j: re, im, and re + im. Three real products then make a complex one: from
a = re re', b = im im' and s = (re + im)(re' + im') follow re = a - b and im = s - a - b (product.py). F writes all
three planes and G combines the three products; both are matrices anyway, so neither costs a pass over memory.

x is the halved axis: kx > Nx / 2 are the conjugates of others. So the inverse counts every kx between 0 and Nx / 2
twice. Where kx is its own mirror image, the same holds for ky (frequencies.py), and Z is real.
Source  three products instead of four: Karatsuba, Ofman 1962
"""

from functools import lru_cache

import numpy as np

from tinyfft.backend import Array
from tinyfft.fourier.frequencies import Frequencies


class Scratch:
    """Memory of one thread: arrays are taken from it one behind the other, and all are given back at once."""

    def __init__(self, memory: Array) -> None:
        """memory  the numbers to take arrays from, (n,)"""
        self._memory, self._top = memory, 0

    def clear(self) -> None:
        """Give all arrays back."""
        self._top = 0

    def take(self, *shape: int) -> Array:
        """Return an uninitialised array."""
        size = int(np.prod(shape))
        assert self._top + size <= self._memory.size, (shape, self._top, self._memory.size)
        self._top += size
        return self._memory[self._top - size : self._top].reshape(shape)


def forward(
    planes: Array, points: tuple[range, range], wanted: Frequencies, conjugate: bool, scratch: Scratch, out: Array
) -> None:
    """Write the spectra of real planes (n, h, w) into out (3 Q, n), perhaps conjugated.

    points  the rows and columns of the circle that the planes fill; all others are zero
    """
    Ny, Nx, kx = wanted
    n, h, _ = planes.shape
    sign, dtype = 1 if conjugate else -1, planes.dtype.name
    halved = scratch.take(2 * len(kx), h, n)
    rows = _rows_forward(Nx, points[1], sign, dtype)[2 * kx.start : 2 * kx.stop]
    np.matmul(rows, planes.transpose(1, 2, 0), out=halved.swapaxes(0, 1))
    halved = halved.reshape(len(kx), 2 * h, n)
    for of_kx, stored, target in wanted.columns(out):
        np.matmul(_columns_forward(Ny, stored, points[0], sign, dtype), halved[of_kx], out=target)


def inverse(
    hat: Array, points: tuple[range, range], given: Frequencies, conjugate: bool, scratch: Scratch, planes: Array
) -> None:
    """Write real planes (n, h, w) whose spectra are the products hat (3 Q, n).

    points  the rows and columns of the circle that are wanted
    given   the frequencies of hat; planes of several ranges of frequencies add up to the inverse
    """
    Ny, Nx, kx = given
    n, h, _ = planes.shape
    sign, dtype = -1 if conjugate else 1, planes.dtype.name
    halved = scratch.take(len(kx), 2 * h, n)
    for of_kx, stored, source in given.columns(hat):
        np.matmul(_columns_inverse(Ny, stored, points[0], sign, dtype), source, out=halved[of_kx])
    halved = halved.reshape(2 * len(kx), h, n).transpose(1, 2, 0)
    rows = _rows_inverse(Nx, points[1], sign, Ny * Nx, dtype)[2 * kx.start : 2 * kx.stop]
    np.matmul(halved, rows, out=planes.swapaxes(0, 1))


@lru_cache(maxsize=256)
def _rows_forward(N: int, points: range, sign: int, dtype: str) -> Array:
    """E (2 half, points): cos and sign * sin of each kx."""
    cos, sin = _cos_sin(N, N // 2 + 1, points)
    return np.stack([cos, sign * sin], axis=1).reshape(-1, len(points)).astype(dtype)


@lru_cache(maxsize=256)
def _columns_forward(N: int, stored: int, points: range, sign: int, dtype: str) -> Array:
    """F (3 stored, 2 points): re, im and re + im of each ky from the real and the imaginary part of each point."""
    cos, sin = _cos_sin(N, stored, points)
    re, im = np.hstack([cos, -sign * sin]), np.hstack([sign * sin, cos])
    return np.concatenate([re, im, re + im]).astype(dtype)


@lru_cache(maxsize=256)
def _columns_inverse(N: int, stored: int, points: range, sign: int, dtype: str) -> Array:
    """G (2 points, 3 stored): both parts of each point from three products of each ky."""
    cos, sin = (matrix.T for matrix in _cos_sin(N, stored, points))
    zero = np.zeros_like(cos)
    if stored == N:
        real, imaginary = (cos, -sign * sin), (sign * sin, cos)  # of re, of im
    else:
        twice = _occurrences(N)
        real, imaginary = (twice * cos, twice * -sign * sin), (zero, zero)
    rows = [np.hstack([of_re - of_im, -of_re - of_im, of_im]) for of_re, of_im in (real, imaginary)]
    return np.concatenate(rows).astype(dtype)


@lru_cache(maxsize=256)
def _rows_inverse(N: int, points: range, sign: int, size: int, dtype: str) -> Array:
    """H (2 half, points): real rows from both parts of each kx; the inverse's 1 / (Ny Nx) is in it."""
    twice = _occurrences(N)[:, None] / size
    cos, sin = _cos_sin(N, len(twice), points)
    return np.stack([twice * cos, -sign * twice * sin], axis=1).reshape(-1, len(points)).astype(dtype)


def _occurrences(N: int) -> Array:
    """(half,): how many of N frequencies each of the stored half stands for, itself and its mirror image."""
    k = np.arange(N // 2 + 1)
    return np.where((k == 0) | (2 * k == N), 1.0, 2.0)


def _cos_sin(N: int, frequencies: int, points: range) -> tuple[Array, Array]:
    """(frequencies, points) each, of 2 pi k n / N, reduced first so that the sines are exact to the last bit."""
    angles = 2 * np.pi * (np.outer(np.arange(frequencies), np.array(points)) % N) / N
    return np.cos(angles), np.sin(angles)
