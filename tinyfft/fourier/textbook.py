"""The paper in one page, on the fast Fourier transform as textbooks write it.

`Convolution` has the three passes of a convolutional layer, one line each: two spectra are multiplied and summed over
the axis that both share, the third is transformed back. The engine computes the same (convolution.py), with strides and
padding, large images in tiles, and in chunks where memory is scarce.

`fft` is Cooley and Tukey's algorithm for any product of 2, 3, 5 and 7. With N = r M, the DFT of x splits into r
DFTs of the M-point sequences x_s[m] = x[r m + s]:

    X[k + M p] = sum_s exp(-2 pi i p s / r) * exp(-2 pi i k s / N) * X_s[k]        0 <= k < M, 0 <= p < r

The second factor is the twiddle; the sum is a DFT of r points. Splitting off one prime factor after the other takes
N (r_1 + r_2 + ...) products instead of N^2. A sequence of one point is its own transform, so only the order of the
input remains: index n = n_1 + r_1 (n_2 + r_2 (...)) is read with its digits reversed.

float64, no tricks. Conventions as in tinyfft/fourier: the inverse carries 1 / N; half spectra have ky <= Ny / 2 only.
Source  Mathieu, Henaff, LeCun 2013, arXiv:1312.5851, section 2; Cooley, Tukey: An Algorithm for the Machine Calculation
        of Complex Fourier Series, 1965
"""

import numpy as np

from tinyfft.fourier.lengths import factorise, is_fast, next_fast_length


class Convolution:
    """The cross-correlation y[s, f] = sum_c x[s, c] (corr) w[f, c] of whole kernels, and its gradients.

    x (S, C, H, W), w (F, C, kH, kW), y (S, F, H - kH + 1, W - kW + 1). In the subscripts y, x are frequencies.
    A product of spectra is a circular convolution of N points. N >= H is enough: what wraps around falls outside the
    pixels that `signal` keeps.
    """

    def __init__(self, x: np.ndarray, w: np.ndarray) -> None:
        self.H, self.k = np.array(x.shape[2:]), np.array(w.shape[2:])  # each vertical and horizontal
        self.o = self.H - self.k + 1
        self.N = [next_fast_length(n) for n in self.H]
        self.x_hat, self.w_hat = self.spectrum(x), self.spectrum(w)

    def output(self) -> np.ndarray:
        """Return y."""
        return self.signal("scyx, fcyx -> sfyx", self.x_hat, self.w_hat.conj(), self.o)

    def input_gradient(self, gy: np.ndarray) -> np.ndarray:
        """Return d loss / d x of gy = d loss / d y."""
        return self.signal("sfyx, fcyx -> scyx", self.spectrum(gy), self.w_hat, self.H)

    def weight_gradient(self, gy: np.ndarray) -> np.ndarray:
        """Return d loss / d w of gy = d loss / d y."""
        return self.signal("scyx, sfyx -> fcyx", self.x_hat, self.spectrum(gy).conj(), self.k)

    def spectrum(self, planes: np.ndarray) -> np.ndarray:
        """Return the half spectra of planes, with zeros added up to Ny x Nx."""
        margins = [(0, N - n) for N, n in zip(self.N, planes.shape[2:], strict=True)]
        return half_spectrum(np.pad(planes, [(0, 0), (0, 0), *margins]))

    def signal(self, sum_of_products: str, left: np.ndarray, right: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Return the planes of a product of two spectra, cropped to size[0] x size[1]."""
        return plane(np.einsum(sum_of_products, left, right), self.N[0])[..., : size[0], : size[1]]


def dft_matrix(N: int) -> np.ndarray:
    """Return the definition (N, N): exp(-2 pi i k n / N) in row k and column n."""
    k = np.arange(N)
    return np.exp(-2j * np.pi * np.outer(k, k) / N)


def fft(x: np.ndarray) -> np.ndarray:
    """Return the DFT of each row of x (..., N). Raises ValueError unless N is a product of 2, 3, 5 and 7."""
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
    """Return the inverse DFT of each row: swap(fft(swap(X))) / N, swap(z) = i conj(z) exchanging Re z and Im z."""
    X = np.asarray(X, dtype=np.complex128)
    swapped = fft(1j * np.conj(X))
    return 1j * np.conj(swapped) / X.shape[-1]


def half_spectrum(x: np.ndarray) -> np.ndarray:
    """Transform real planes (..., Ny, Nx) to half spectra (..., Ny // 2 + 1, Nx): columns first, then the kept rows."""
    columns = fft(np.swapaxes(x, -1, -2))[..., : x.shape[-2] // 2 + 1]
    return fft(np.swapaxes(columns, -1, -2))


def plane(x_hat: np.ndarray, Ny: int) -> np.ndarray:
    """Transform half spectra (..., Ny // 2 + 1, Nx) to real planes (..., Ny, Nx); the other half is their conjugate."""
    rows = ifft(x_hat)
    ky = np.arange(Ny // 2 + 1, Ny)
    full = np.concatenate([rows, np.conj(rows[..., Ny - ky, :])], axis=-2)
    return np.swapaxes(ifft(np.swapaxes(full, -1, -2)), -1, -2).real
