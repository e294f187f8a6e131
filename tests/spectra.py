"""Plans, planes and the stored half of spectra, for tests of the kernels; the spectra by their definition."""

import numpy as np

from tinyfft.fourier.axis import Axis, AxisPlan
from tinyfft.fourier.plan import Plan

SHARED = 99 << 10  # bytes of shared memory that a block may have on a small GPU


def planned(lengths, sizes, kernel, S=2, C=3, F=2, itemsize=4, tile=None):
    axes = (AxisPlan(Axis(n, k), N, tile) for n, k, N in zip(sizes, kernel, lengths, strict=True))
    return Plan(S, C, F, *axes, itemsize, kind="cuda")


def stored(full, lengths):
    """The stored frequencies of full spectra (A, B, Ny, Nx) as (Q, A, B)."""
    Ny, Nx = lengths
    chosen = [(ky, kx) for ky in range(Ny // 2 + 1) for kx in range(Nx) if ky not in (0, Ny - ky) or kx <= Nx // 2]
    return np.stack([full[..., ky, kx] for ky, kx in chosen])


def in_three_planes(hat, lengths):
    """Numbers (Q, A, B), kx by kx, as the CPU's spectra (3 Q, A, B): for each kx its real parts, its imaginary parts
    and their sums."""
    return by_kx([hat.real, hat.imag, hat.real + hat.imag], lengths)


def in_three_products(hat, lengths, rng):
    """Numbers (Q, A, B), kx by kx, as products p, q and s: p - q is the real part, s - p - q the imaginary."""
    q = rng.standard_normal(hat.shape)
    p = hat.real + q
    return by_kx([p, q, hat.imag + p + q], lengths)


def by_kx(planes, lengths):
    """Three planes (Q, A, B), kx by kx, as (3 Q, A, B)."""
    Ny, Nx = lengths
    rows, first = [], 0
    for kx in range(Nx // 2 + 1):
        last = first + (Ny if kx not in (0, Nx - kx) else Ny // 2 + 1)
        rows += [plane[first:last] for plane in planes]
        first = last
    return np.concatenate(rows)


def from_stored(hat, lengths):
    """Real planes (A, B, Ny, Nx) of stored frequencies (Q, A, B), imaginary parts of self-mirrored ones left out."""
    Ny, Nx = lengths
    full = np.zeros((*hat.shape[1:], Ny, Nx), complex)
    chosen = [(ky, kx) for ky in range(Ny // 2 + 1) for kx in range(Nx) if ky not in (0, Ny - ky) or kx <= Nx // 2]
    for value, (ky, kx) in zip(hat, chosen, strict=True):
        mirror = (-ky % Ny, -kx % Nx)
        full[..., ky, kx] = value if mirror != (ky, kx) else value.real
        if mirror != (ky, kx):
            full[..., mirror[0], mirror[1]] = np.conj(value)
    return np.fft.ifft2(full).real


def poisoned(shape, dtype):
    return np.full(shape, np.nan, dtype)
