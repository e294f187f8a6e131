"""The arguments that cuBLAS is given: a library in its place reads them as the C interface says, columns first."""

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest

from tinyfft.backend import Device
from tinyfft.cuda import cublas

KINDS = {0: "float32", 1: "float64", 4: "complex64", 5: "complex128"}
COMPUTE = {"float32": 68, "float64": 70, "complex64": 68, "complex128": 70}


class Array(np.ndarray):
    """With CuPy's way to an address."""

    @property
    def data(self):
        return SimpleNamespace(ptr=self.ctypes.data)


def made(array):
    return np.ascontiguousarray(array).view(Array)


def read(address, dtype, count):
    size = count * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(address), dtype)


def matrices(address, kind, leading, stride, rows, columns, batch):
    """(batch, rows, columns), views of memory in which each column is contiguous."""
    flat = read(address, KINDS[kind], (batch - 1) * stride + leading * columns)
    item = flat.itemsize
    shape, strides = (batch, rows, columns), (stride * item, item, leading * item)
    return np.lib.stride_tricks.as_strided(flat, shape, strides)


class Library:
    """gemmStridedBatchedEx in NumPy."""

    asked: int  # the compute type

    def cublasGemmStridedBatchedEx(self, handle, op_a, op_b, m, n, k, alpha, *rest):
        a, b, (beta, *c), (batch, self.asked, _) = rest[:4], rest[4:8], rest[8:13], rest[13:]
        A = matrices(*a, *((k, m) if op_a else (m, k)), batch)
        B = matrices(*b, *((n, k) if op_b else (k, n)), batch)
        C = matrices(*c, m, n, batch)
        A, B = (x.swapaxes(1, 2) if op else x for x, op in ((A, op_a), (B, op_b)))
        alpha, beta = (read(x, C.dtype, 1)[0] for x in (alpha, beta))
        C[...] = alpha * (A @ B) + (beta * C if beta else 0)
        return 0 if handle == "handle" else 7


@pytest.fixture
def library(monkeypatch):
    found = Library()
    monkeypatch.setattr(cublas, "_library", lambda device: found)
    monkeypatch.setattr(cublas, "_handle", lambda device, stream: ("handle", None))
    stream = SimpleNamespace(get_current_stream=lambda: SimpleNamespace(ptr=1))
    monkeypatch.setattr(Device, "xp", property(lambda self: SimpleNamespace(cuda=stream)))
    return found


@pytest.mark.parametrize("dtype", COMPUTE)
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1, 1, 1), (3, 1, 5, 2), (2, 4, 1, 3)], ids=str)
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("add", [False, True])
def test_products(library, rng, dtype, shape, transpose_a, transpose_b, add):
    batch, m, k, n = shape
    a, b, out = (rng.standard_normal((batch, *of)) for of in ((m, k), (k, n), (m, n)))
    if np.dtype(dtype).kind == "c":
        a, b, out = (array + 1j * rng.standard_normal(array.shape) for array in (a, b, out))
    a, b, out = (made(array.astype(dtype)) for array in (a, b, out))
    expected = 3 * (a @ b) + (out if add else 0)
    if not add:
        out[...] = np.nan  # what is only written may hold anything
    a, b = (made(x.swapaxes(1, 2)) if flag else x for x, flag in ((a, transpose_a), (b, transpose_b)))
    flags = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    cublas.gemm(a, b, out, Device("cuda"), scale=3, add=add, **flags)
    assert np.allclose(out, expected, rtol=1e-5)
    assert library.asked == COMPUTE[dtype]


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_parts_of_rows(library, rng, transpose_a, transpose_b):
    """Each operand of a batch is a part of the rows of one matrix."""
    m, k, n = 4, 5, 2
    a, b = (
        made(rng.standard_normal((rows, 3, columns) if not flag else (columns, 3, rows))).transpose(1, 0, 2)
        for (rows, columns), flag in (((m, k), transpose_a), ((k, n), transpose_b))
    )
    out = made(np.ones((3, m, n)))
    cublas.gemm(a, b, out, Device("cuda"), transpose_a=transpose_a, transpose_b=transpose_b)
    left, right = (x.swapaxes(1, 2) if flag else x for x, flag in ((a, transpose_a), (b, transpose_b)))
    assert np.allclose(out, left @ right)


def test_tf32_is_asked_for_float32_alone(library):
    for dtype, compute in (("float32", 77), ("complex64", 77), ("float64", 70)):
        a = made(np.ones((2, 2), dtype))
        cublas.gemm(a, a, made(a), Device("cuda"), tf32=True)
        assert library.asked == compute


def test_a_refusal_is_an_error(library, monkeypatch):
    monkeypatch.setattr(cublas, "_handle", lambda device, stream: ("another", None))
    a = made(np.ones((2, 2)))
    with pytest.raises(RuntimeError, match="cublasGemmStridedBatchedEx failed with status 7"):
        cublas.gemm(a, a, made(a), Device("cuda"))


def test_nothing_to_multiply(library):
    cublas.gemm(made(np.ones((0, 3))), made(np.ones((3, 2))), made(np.ones((0, 2))), Device("cuda"))
    assert not hasattr(library, "asked")
