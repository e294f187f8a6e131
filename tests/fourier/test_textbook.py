"""The textbook transforms against the O(N^2) sum, which is the definition."""

import numpy as np
import pytest
from measure import error

from tinyfft.fourier import textbook

LENGTHS = [
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    12,
    14,
    15,
    16,
    18,
    20,
    21,
    25,
    27,
    30,
    35,
    36,
    40,
    42,
    49,
    60,
    64,
    72,
    105,
    128,
]


def definition(x):
    N = x.shape[-1]
    X = np.zeros(x.shape, dtype=np.complex128)
    for k in range(N):
        for n in range(N):
            X[..., k] += x[..., n] * np.exp(-2j * np.pi * ((k * n) % N) / N)
    return X


@pytest.mark.parametrize("N", LENGTHS)
def test_fft_is_the_definition(N, rng):
    x = rng.standard_normal((3, N)) + 1j * rng.standard_normal((3, N))
    X, expected = textbook.fft(x), definition(x)
    assert X.shape == x.shape
    assert np.max(np.abs(X - expected)) <= 1e-13 * N * np.max(np.abs(x))


@pytest.mark.parametrize("N", LENGTHS)
def test_ifft_undoes_fft(N, rng):
    x = rng.standard_normal((2, 3, N)) + 1j * rng.standard_normal((2, 3, N))
    assert np.max(np.abs(textbook.ifft(textbook.fft(x)) - x)) <= 1e-13


@pytest.mark.parametrize("N", [0, 11, 13, 22, 121])
def test_other_lengths_are_refused(N):
    with pytest.raises(ValueError, match=f"length is {N}, expected a product of 2, 3, 5 and 7"):
        textbook.fft(np.zeros(N))


@pytest.mark.parametrize(("Ny", "Nx"), [(1, 1), (2, 3), (5, 4), (6, 6), (7, 10), (9, 8)])
def test_half_spectrum_is_half_of_the_double_sum(Ny, Nx, rng):
    x = rng.standard_normal((2, Ny, Nx))
    full = definition(np.swapaxes(definition(np.swapaxes(x, 1, 2).astype(complex)), 1, 2))
    half = textbook.half_spectrum(x)
    assert half.shape == (2, Ny // 2 + 1, Nx)
    assert np.max(np.abs(half - full[:, : Ny // 2 + 1])) <= 1e-12
    assert error(textbook.plane(half, Ny), x) <= 1e-13
