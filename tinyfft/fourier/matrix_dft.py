"""The CPU's transforms: a short DFT is a matrix product, and BLAS is the fastest thing that NumPy owns.

Columns and rows are transformed by real matrix products with cosines and sines. Zeros on the way in and crops on the
way out are points that the matrices do not have, so padding costs less, not more. Planes are innermost from the first
product to the last, so that each is one large product, whose operands lie as they are needed:

    forward  X[(kx, c), y, p]    = E[(kx, c), x] x[p, y, x]^T         for each y; c is the real or the imaginary part
             out[kx, (j, ky), p] = F[(j, ky), (c, y)] X[kx, (c, y), p]            for each kx <= Nx / 2
    inverse  Z[kx, (c, y), p]    = G[(c, y), (j, ky)] hat[kx, (j, ky), p]         for each kx
             x[p, y, x]          = Z[(kx, c), y, p]^T H[(kx, c), x]               for each y

A spectrum is stored as three real planes j: re, im, and re + im. Then three real products make a complex one: from
a = re re', b = im im' and s = (re + im)(re' + im') follow re = a - b and im = s - a - b (product.py). F writes all
three planes and G takes the three products apart; both are matrices anyway, so neither costs a pass over memory.

x is halved here: rows of kx > Nx / 2 are the conjugates of others. So every kx between 0 and Nx / 2 counts twice on the
way back; where kx is its own mirror image, the same holds of ky (frequencies.py), and Z is real.
Source  three products in place of four: Karatsuba, Ofman 1962
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinyfft.backend import Array
from tinyfft.fourier import frequencies

PLANES = 3  # of a spectrum: re, im, re + im


class Room:
    """Scratch of one thread: arrays are taken from it one behind the other, and all given back at once."""

    def __init__(self, memory: Array) -> None:
        self._memory, self._top = memory, 0

    def clear(self) -> None:
        self._top = 0

    def take(self, *shape: int) -> Array:
        """An uninitialised array."""
        size = int(np.prod(shape))
        assert self._top + size <= self._memory.size, (shape, self._top, self._memory.size)
        self._top += size
        return self._memory[self._top - size : self._top].reshape(shape)


class Frequencies(NamedTuple):
    """The frequencies that are computed: those of the columns `kx` of an Ny x Nx plane's half spectrum, Q of them."""

    Ny: int
    Nx: int
    kx: range

    @property
    def Q(self) -> int:
        first, last = (frequencies.stored_before(kx, self.Nx, self.Ny) for kx in (self.kx.start, self.kx.stop))
        return last - first

    def columns(self, hat: Array) -> Iterator[tuple[slice, int, Array]]:
        """(which of kx, stored ky, view (kx, 3 ky, n)) of the parts of hat (3 Q, n)."""
        top = 0
        for part in frequencies.rows(self.Nx, self.Ny):
            first, last = max(part.halved.start, self.kx.start), min(part.halved.stop, self.kx.stop)
            if first < last:
                rows = PLANES * part.kept * (last - first)
                view = hat[top : top + rows].reshape(last - first, PLANES * part.kept, hat.shape[1])
                yield slice(first - self.kx.start, last - self.kx.start), part.kept, view
                top += rows


def forward(
    planes: Array, points: tuple[range, range], wanted: Frequencies, conjugate: bool, room: Room, out: Array
) -> None:
    """Real planes (n, h, w), the points of lines that are zero elsewhere -> out (3 Q, n), perhaps conjugated."""
    Ny, Nx, kx = wanted
    n, h, _ = planes.shape
    sign, dtype = 1 if conjugate else -1, planes.dtype.name
    halved = room.take(2 * len(kx), h, n)
    rows = _rows_forward(Nx, points[1], sign, dtype)[2 * kx.start : 2 * kx.stop]
    np.matmul(rows, planes.transpose(1, 2, 0), out=halved.swapaxes(0, 1))
    halved = halved.reshape(len(kx), 2 * h, n)
    for of_kx, stored, target in wanted.columns(out):
        np.matmul(_columns_forward(Ny, stored, points[0], sign, dtype), halved[of_kx], out=target)


def inverse(
    hat: Array, points: tuple[range, range], given: Frequencies, conjugate: bool, room: Room, planes: Array
) -> None:
    """hat (3 Q, n), products of spectra -> those points of real planes (n, h, w), counted around the circle.

    If not all frequencies are given, the planes that they stand for: the sum over all parts is the inverse.
    """
    Ny, Nx, kx = given
    n, h, _ = planes.shape
    sign, dtype = -1 if conjugate else 1, planes.dtype.name
    halved = room.take(len(kx), 2 * h, n)
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
