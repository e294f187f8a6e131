"""The textbook transforms against the O(N^2) sum; its convolution, and the engine, against the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measure import FP64_BOUND, error
from reference import convolution, gradients

from tinyfft import nn
from tinyfft.fourier import textbook
from tinyfft.fourier.lengths import is_fast

LENGTHS = [*range(1, 11), *(N for N in range(12, 129, 3) if is_fast(N)), 14, 20, 35, 49, 64, 128]


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


@settings(deadline=None, max_examples=60)
@given(
    maps=st.tuples(*[st.integers(1, 3)] * 3),
    kernel=st.tuples(*[st.integers(1, 6)] * 2),
    output=st.tuples(*[st.integers(1, 12)] * 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_three_passes_are_those_of_the_definition_and_of_the_engine(maps, kernel, output, seed):
    rng, (S, C, F) = np.random.default_rng(seed), maps
    layer = nn.FFTConvolution(C, F, kernel, bias=False, dtype="float64")
    x = rng.standard_normal((S, C, *(k + o - 1 for k, o in zip(kernel, output, strict=True))))
    gy = rng.standard_normal((S, F, *output))
    expected = (convolution(x, layer.weight), *gradients(x, layer.weight, gy)[:2])
    magnitudes = (abs(x), abs(layer.weight), abs(gy))
    scales = map(np.max, (convolution(*magnitudes[:2]), *gradients(*magnitudes)[:2]))
    page = textbook.Convolution(x, layer.weight)
    ours = (page.output(), page.input_gradient(gy), page.weight_gradient(gy))
    engine = (layer.forward(x), layer.backward(x, gy), layer.gradWeight)
    for found, of_engine, truth, scale in zip(ours, engine, expected, scales, strict=True):
        assert error(found, truth, scale) <= 5e-14
        assert error(of_engine, found, scale) <= FP64_BOUND
