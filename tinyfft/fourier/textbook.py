"""The fast Fourier transform as a textbook writes it: Cooley and Tukey's, iterative, any product of 2, 3, 5 and 7.

With N = r M, the DFT of x splits into r DFTs of the M-point sequences x_s[m] = x[r m + s]:

    X[k + M p] = sum_s exp(-2 pi i p s / r) * exp(-2 pi i k s / N) * X_s[k]        0 <= k < M, 0 <= p < r

a short DFT across the r results, each turned by a twiddle factor first. Doing this for one prime factor after the
other needs N (r_1 + r_2 + ...) products in place of N^2. Sequences of one point are their own transforms, so the only
other step is the order of the input: index n = n_1 + r_1 (n_2 + r_2 (...)) is read with its digits reversed.

This is the teacher, and the reference of the tests: float64, no tricks. The engine's transforms are elsewhere.
Conventions as in tinyfft/fourier: the inverse carries 1 / N; half spectra halve y.
Source  Cooley, Tukey: An Algorithm for the Machine Calculation of Complex Fourier Series, 1965
"""

import numpy as np

from tinyfft.fourier.lengths import factorise, is_fast


def dft_matrix(N: int) -> np.ndarray:
    """(N, N): the definition, exp(-2 pi i k n / N) in row k and column n."""
    k = np.arange(N)
    return np.exp(-2j * np.pi * np.outer(k, k) / N)


def fft(x: np.ndarray) -> np.ndarray:
    """The DFT of each row, x (..., N). Raises ValueError unless N is a product of 2, 3, 5 and 7."""
    x = np.asarray(x, dtype=np.complex128)
    N, others = x.shape[-1], x.shape[:-1]
    if N < 1 or not is_fast(N):
        raise ValueError(f"fft: length is {N}, expected a product of 2, 3, 5 and 7")
    radices = factorise(N)
    digits = x.reshape(-1, *radices)
    X = digits.transpose(0, *range(len(radices), 0, -1)).reshape(-1, N)
    M = 1
    for r in radices:
        X = X.reshape(-1, N // (r * M), r, M)
        twiddles = np.exp(-2j * np.pi * np.outer(np.arange(r), np.arange(M)) / (r * M))
        X = np.einsum("ps,absk->abpk", dft_matrix(r), X * twiddles)
        M *= r
    return X.reshape(*others, N)


def ifft(X: np.ndarray) -> np.ndarray:
    """The inverse DFT of each row. With s(z) = i conj(z), s F s is F's conjugate transpose, and F* F = N."""
    X = np.asarray(X, dtype=np.complex128)
    swapped = fft(1j * np.conj(X))
    return 1j * np.conj(swapped) / X.shape[-1]


def half_spectrum(x: np.ndarray) -> np.ndarray:
    """Real planes (..., Ny, Nx) -> half spectra (..., Ny // 2 + 1, Nx): columns, then rows of the kept half."""
    columns = fft(np.swapaxes(x, -1, -2))[..., : x.shape[-2] // 2 + 1]
    return fft(np.swapaxes(columns, -1, -2))


def plane(x_hat: np.ndarray, Ny: int) -> np.ndarray:
    """Half spectra (..., Ny // 2 + 1, Nx) -> real planes (..., Ny, Nx); the other half is the conjugate of this."""
    rows = ifft(x_hat)
    ky = np.arange(Ny // 2 + 1, Ny)
    full = np.concatenate([rows, np.conj(rows[..., Ny - ky, :])], axis=-2)
    return np.swapaxes(ifft(np.swapaxes(full, -1, -2)), -1, -2).real
