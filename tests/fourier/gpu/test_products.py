"""On a GPU: which of the ways to multiply spectra is taken, on a device that is made up."""

import host_gpu
import numpy as np
import pytest

from tinyfft import autotune
from tinyfft.cuda import cublas, launch
from tinyfft.fourier import product as products
from tinyfft.fourier.gpu import tensor_product, warpgroup_product


@pytest.fixture
def taken():
    """What was called, one after the other."""
    return []


@pytest.fixture
def device(monkeypatch, taken):
    device = host_gpu.stands_in(monkeypatch)
    for module, name, way in (
        (cublas, "gemm", "cublas"),
        (tensor_product, "multiply", "warps"),
        (warpgroup_product, "multiply", "warpgroups"),
    ):
        monkeypatch.setattr(module, name, lambda *_, way=way, **__: taken.append(way))
    return device


def multiply(device, sizes, dtype=np.complex64, **how):
    rows, columns, depth = sizes
    shapes = ((2, rows, depth), (2, depth, columns), (2, rows, columns))
    products.product(*(np.zeros(shape, dtype) for shape in shapes), device, **how)


@pytest.mark.parametrize("least", ["cublas", "warps", "warpgroups"])
def test_the_fastest_way_is_taken(device, taken, monkeypatch, least):
    asked = []
    monkeypatch.setattr(launch, "architecture", lambda device: 90)
    monkeypatch.setattr(autotune, "fastest", lambda device, what, ways: asked.append((what, [*ways])) or least)
    multiply(device, (16, 16, 16), precision="tf32")
    assert taken == [least]
    ((what, ways),) = asked
    assert ways == ["warpgroups", "warps", "cublas"]
    assert all(part in what for part in ("complex64", "tf32", "(2, 16, 16)"))


@pytest.mark.parametrize(
    ("sizes", "dtype", "how", "way"),
    [
        ((16, 16, 15), np.complex64, {}, "cublas"),
        ((64, 64, 64), np.complex128, {}, "cublas"),
        ((32, 32, 32), np.uint32, {"precision": "bf16"}, "warps"),
        ((16, 16, 16), np.complex64, {"deterministic": True}, "warps"),
    ],
    ids=["small", "double", "bf16", "deterministic"],
)
def test_where_there_is_one_way_no_clock_is_asked(device, taken, monkeypatch, sizes, dtype, how, way):
    monkeypatch.setattr(autotune, "fastest", lambda *_: pytest.fail("asked"))
    multiply(device, sizes, dtype, **how)
    assert taken == [way]


@pytest.mark.parametrize(("architecture", "way"), [(75, "cublas"), (80, "warps"), (90, "warpgroups"), (100, "warps")])
def test_the_kernel_is_one_for_this_gpu(device, taken, monkeypatch, architecture, way):
    monkeypatch.setattr(launch, "architecture", lambda device: architecture)
    multiply(device, (16, 16, 16), deterministic=True)
    assert taken == [way]


def test_enough_counts_rows_columns_and_depth(device, taken):
    for sizes in ((64, 8, 8), (64, 4, 8), (4, 64, 16), (2, 64, 16)):
        multiply(device, sizes)
    assert taken == ["warps", "cublas", "warps", "cublas"]


def test_what_is_asked_of_cublas(device, monkeypatch):
    asked, tf32 = [], []
    monkeypatch.setattr(autotune, "fastest", lambda device, what, ways: asked.append(what) or "cublas")
    monkeypatch.setattr(cublas, "gemm", lambda *_, **how: tf32.append(how["tf32"]))
    for precision in ("tf32", "fp32"):
        multiply(device, (16, 17, 18), precision=precision)
    assert tf32 == [True, False]
    assert all("(2, 16, 18)" in what and "(2, 18, 17)" in what for what in asked)
    assert len(set(asked)) == 2


def test_lines_of_whole_groups():
    lines = [(4, np.complex64), (3, np.complex64), (32, np.uint32)]
    assert [tensor_product.is_aligned((2, 3, n), np.dtype(dtype)) for n, dtype in lines] == [True, False, True]


@pytest.mark.parametrize("sizes", [(8, 32, 48), (8, 48, 32)], ids=["depth", "columns"])
def test_bf16_comes_in_whole_runs(device, sizes):
    with pytest.raises(AssertionError):
        multiply(device, sizes, np.uint32, precision="bf16")
