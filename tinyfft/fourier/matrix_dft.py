"""The CPU's transforms: a short DFT is a matrix product, and BLAS is the fastest thing that NumPy owns.

Rows and columns are transformed by real matrix products with cosines and sines. Zeros on the way in and crops on the
way out are columns and rows that the matrices do not have, so padding costs less, not more. A matrix product also
transposes for nothing: M @ x.reshape(-1, w).T writes the frequency first.

    forward  X[kx, (p, y)]  = E[kx, x] x[(p, y), x]^T        real x; X as two planes, real and imaginary
             out[q, p]      = E[ky, y] X[kx, p, y]^T         four real products, added up into complex numbers
    inverse  Z[kx, p, y]    = c_ky conj E[ky, y] hat[ky, kx, p]    two real products over stacked planes
             x[(p, y), x]   = Re conj E[kx, x] Z[kx, (p, y)]       one real product

E[k, n] = exp(-2 pi i k n / N). The frequencies that are stored are those of frequencies.py. As the plane is real, each
that stands for its mirror image too counts twice on the way back: rows between 0 and Ny / 2 (c_ky) and, within the rows
that are their own mirror image, kx between 0 and Nx / 2.
"""

from functools import lru_cache

import numpy as np

from tinyfft.backend import Array
from tinyfft.fourier import frequencies
from tinyfft.fourier.arena import Arena


def forward(lines: Array, lengths: tuple[int, int], out: Array, conjugate: bool, arena: Arena) -> None:
    """Real lines (n, B, h, w), zeros behind them up to (Ny, Nx) -> out (Q, n, B), perhaps conjugated."""
    n, B, h, w = lines.shape
    (Ny, Nx), half, dtype = lengths, lengths[0] // 2 + 1, lines.dtype
    sign = 1 if conjugate else -1
    with arena.frame(0):
        rows = arena.take((2 * Nx, n * B * h), dtype)
        np.matmul(_exponentials(Nx, Nx, w, 0, sign, dtype.name), lines.reshape(-1, w).T, out=rows)
        parts = arena.take((2, half, 2, Nx, n, B), dtype)
        columns = _exponentials(Ny, half, h, 0, sign, dtype.name)
        np.matmul(columns, rows.reshape(-1, h).T, out=parts.reshape(2 * half, -1))
        (cos_re, cos_im), (sin_re, sin_im) = parts.swapaxes(1, 2)
        for ky, kept, stored, _ in frequencies.rows(Ny, Nx):
            target = out[stored].reshape(-1, kept, n, B)
            np.subtract(cos_re[ky, :kept], sin_im[ky, :kept], out=target.real)
            np.add(cos_im[ky, :kept], sin_re[ky, :kept], out=target.imag)


def inverse(
    hat: Array, lengths: tuple[int, int], shape: tuple[int, int], shifts: tuple[int, int], conjugate: bool, arena: Arena
) -> Array:
    """hat (Q, n, B) -> real (n, B, *shape): `shape` points from `shifts` on around each circle."""
    (Ny, Nx), (h, w), (shift_y, shift_x) = lengths, shape, shifts
    half, (_, n, B) = Ny // 2 + 1, hat.shape
    dtype, sign = hat.real.dtype, -1 if conjugate else 1
    values = arena.take((n * B * h, w), dtype)
    with arena.frame(0):
        planes = arena.take((2, half, Nx, n, B), dtype)
        for ky, kept, stored, mirrored in frequencies.rows(Ny, Nx):
            part, source = planes[:, ky], hat[stored].reshape(-1, kept, n, B)
            part[0, :, :kept], part[1, :, :kept] = source.real, source.imag
            if mirrored:
                part[:, :, 1 : (Nx + 1) // 2] *= 2
                part[:, :, kept:] = 0
        columns = arena.take((2, Nx * n * B, h), dtype)
        stacked = planes.reshape(2 * half, -1).T
        for part, matrix in zip(columns, _column_inverse(Ny, h, shift_y, sign, dtype.name), strict=True):
            np.matmul(stacked, matrix, out=part)
        rows = _row_inverse(Nx, w, shift_x, sign, Ny * Nx, dtype.name)
        np.matmul(columns.reshape(2 * Nx, -1).T, rows, out=values)
    return values.reshape(n, B, h, w)


@lru_cache(maxsize=256)
def _exponentials(N: int, frequencies: int, points: int, shift: int, sign: int, dtype: str) -> Array:
    """(2 frequencies, points): cos and, below it, sign * sin of 2 pi k (n + shift) / N."""
    angles = _angles(N, frequencies, points, shift)
    return np.concatenate([np.cos(angles), sign * np.sin(angles)]).astype(dtype)


@lru_cache(maxsize=256)
def _column_inverse(N: int, points: int, shift: int, sign: int, dtype: str) -> Array:
    """(2, 2 half, points): what makes the real and the imaginary part of Z from the stacked parts of hat."""
    half = N // 2 + 1
    angles = _angles(N, half, points, shift)
    twice = np.where((np.arange(half) == 0) | (2 * np.arange(half) == N), 1.0, 2.0)[:, None]
    cos, sin = twice * np.cos(angles), twice * sign * np.sin(angles)
    return np.stack([np.concatenate([cos, -sin]), np.concatenate([sin, cos])]).astype(dtype)


@lru_cache(maxsize=256)
def _row_inverse(N: int, points: int, shift: int, sign: int, size: int, dtype: str) -> Array:
    """(2 N, points): what makes real rows from the two parts of Z; the inverse's 1 / (Ny Nx) is in it."""
    angles = _angles(N, N, points, shift)
    return (np.concatenate([np.cos(angles), -sign * np.sin(angles)]) / size).astype(dtype)


def _angles(N: int, frequencies: int, points: int, shift: int) -> Array:
    """(frequencies, points): 2 pi k (n + shift) / N, reduced first so that the sines are exact to the last bit."""
    turns = np.outer(np.arange(frequencies), np.arange(points) + shift) % N
    return 2 * np.pi * turns / N
