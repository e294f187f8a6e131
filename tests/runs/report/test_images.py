"""Images of kernels and spectra, compared with their definitions."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tinyfft.runs.report import images


def decoded(uri):
    head, _, data = uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_a_data_uri_is_the_image(rng):
    for maps in (3, 4):
        image = rng.integers(256, size=(5, 7, maps), dtype=np.uint8)
        assert np.array_equal(decoded(images.data_uri(image)), image)


def test_an_example_keeps_its_pixels_unless_it_is_large(rng):
    small, large = (rng.integers(256, size=(3, *size), dtype=np.uint8) for size in ((4, 6), (100, 400)))
    assert np.array_equal(decoded(images.example(small)), small.transpose(1, 2, 0))
    assert decoded(images.example(large)).shape == (24, 96, 3)


def test_kernels_share_one_scale_about_grey():
    weight = np.zeros((2, 3, 2, 2), np.float32)
    weight[0, 1, 0, 1], weight[1, 2, 1, 0], weight[1, 0, 1, 1] = 2.0, -2.0, 1.0
    found = images.kernels(weight)
    expected = np.full((2, 2, 2, 3), 128, np.uint8)
    expected[0, 0, 1, 1], expected[1, 1, 0, 2], expected[1, 1, 1, 0] = 255, 0, 191
    assert np.array_equal(found, expected)


def test_spectra_follow_the_definition(rng):
    weight = rng.standard_normal((3, 3, 4, 5)).astype(np.float32)
    N = images.SPECTRUM_SIZE
    waves = np.exp(-2j * np.pi * np.outer(np.arange(N) - N // 2, np.arange(N)) / N)  # frequency 0 in the middle
    magnitudes = np.abs(np.einsum("uh,vw,fchw->fuvc", waves[:, :4], waves[:, :5], weight.astype(np.float64)))
    difference = images.spectra(weight) - 255 * magnitudes / magnitudes.max()
    assert np.abs(difference).max() <= 0.5 + 1e-9


def test_a_constant_kernel_has_its_peak_in_the_middle():
    spectrum = images.spectra(np.ones((1, 3, 5, 5)))[0]
    middle = images.SPECTRUM_SIZE // 2
    assert np.argwhere(spectrum[..., 0] == 255).tolist() == [[middle, middle]]


@pytest.mark.parametrize("make", [images.kernels, images.spectra])
def test_other_numbers_of_maps_are_grey_planes_and_zeros_are_zeros(make):
    found = make(np.zeros((2, 4, 3, 3)))
    assert len(found) == 8
    assert np.ptp(found) == 0


def test_large_kernels_are_not_cut():
    assert images.spectra(np.ones((1, 3, 40, 3))).shape == (1, 40, 40, 3)


def test_a_grid_puts_them_in_rows(rng):
    n = images.GRID_COLUMNS + 2
    given = rng.integers(256, size=(n, 2, 3, 3), dtype=np.uint8)
    whole = images.grid(given, 2)
    assert whole.shape == (2 + 2 + 2, images.GRID_COLUMNS * 5 - 2, 4)
    for number in range(n):
        row, column = divmod(number, images.GRID_COLUMNS)
        cell = whole[4 * row : 4 * row + 2, 5 * column : 5 * column + 3]
        assert np.array_equal(cell[..., :3], given[number])
        assert (cell[..., 3] == 255).all()
    assert (whole[..., 3] > 0).sum() == n * 6
