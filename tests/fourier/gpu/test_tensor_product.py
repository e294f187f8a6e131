"""Both kernels of complex products on tensor cores, on the host and on a GPU, against float64."""

import host_gpu
import numpy as np
import pytest
from bfloat16 import BF16_BLOCK, from_bf16_blocks, to_bf16_blocks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from measure import FP32_BOUND, error

import tinyfft
from tinyfft.backend import Device, to_host
from tinyfft.cuda import launch, tensor_map
from tinyfft.fourier import product as products
from tinyfft.fourier.gpu import tensor_product, warpgroup_product

BOUNDS = {"fp32": 4e-7, "tf32": 1e-3, "bf16": 1.2e-2}
"""Bounds of max|out - ref| / max(|a| @ |b|), for 22, 11 and 8 bits of each operand."""

flags = st.booleans()


KERNELS = {"warps": tensor_product, "warpgroups": warpgroup_product}


@pytest.fixture(params=["host", pytest.param("gpu", marks=pytest.mark.gpu)])
def where(request):
    return request.param


@pytest.fixture(params=KERNELS)
def multiply(request, where, monkeypatch):
    """A function (a, b, precision, transposed) -> out that runs the kernel; a and b are complex128."""
    on_host = where == "host"
    if on_host:
        if host_gpu.COMPILER is None:
            pytest.skip("there is no C++ compiler on this machine")
        device = Device("cuda", 7)
        monkeypatch.setattr(launch, "run", _on_host)
        monkeypatch.setattr(warpgroup_product, "multiprocessors", lambda device: 2)
        monkeypatch.setattr(tensor_map, "boxes", host_gpu.boxes)
    else:
        device = tinyfft.use_device("cuda")
    kernel = KERNELS[request.param]
    if kernel is warpgroup_product and not on_host and launch.architecture(device) != 90:
        pytest.skip("this GPU has no warpgroups")

    def run(a, b, precision="fp32", transpose_a=False, transpose_b=False):
        rows, columns = a.shape[1], b.shape[2]
        if precision == "bf16":
            a, b = whole_blocks(a, b, transpose_a, transpose_b)
        a, b = (m.swapaxes(1, 2) if flag else m for m, flag in ((a, transpose_a), (b, transpose_b)))
        shape = (len(a), a.shape[2 if transpose_a else 1], b.shape[1 if transpose_b else 2])
        stored = to_bf16_blocks if precision == "bf16" else np.complex64
        a, b, out = (np.ascontiguousarray(m) for m in (stored(a), stored(b), stored(np.full(shape, np.nan))))
        if not on_host:
            a, b, out = (device.array(m) for m in (a, b, out))
        how = {"transpose_a": transpose_a, "transpose_b": transpose_b, "precision": precision}
        kernel.multiply(a, b, out, device, **how)
        return (from_bf16_blocks(to_host(out)) if precision == "bf16" else to_host(out))[:, :rows, :columns]

    return run


def whole_blocks(a, b, transpose_a, transpose_b):
    """Pad the operands with zeros, so that their lines and the product's lines in memory are whole bf16 blocks."""
    sizes = (*a.shape[1:], b.shape[2])
    contiguous = (transpose_a, not transpose_a or transpose_b, True)
    M, K, N = (n + -n % BF16_BLOCK if flag else n for n, flag in zip(sizes, contiguous, strict=True))
    return padded(a, M, K), padded(b, K, N)


def padded(matrices, rows, columns):
    out = np.zeros((len(matrices), rows, columns), matrices.dtype)
    out[:, : matrices.shape[1], : matrices.shape[2]] = matrices
    return out


def _on_host(source, name, blocks, threads, arguments, device, shared_bytes):
    host_gpu.launch(source.text(), name, blocks, threads, arguments, shared_bytes)


def normal(rng, *shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def check(out, a, b, bound):
    scale = np.max(np.abs(a) @ np.abs(b))
    assert all(error(getattr(out, part), getattr(a @ b, part), scale) <= bound for part in ("real", "imag"))


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    Q=st.integers(1, 2),
    sizes=st.tuples(st.integers(1, 70), st.integers(1, 70), st.integers(1, 70)),
    transposed=st.tuples(flags, flags),
    precision=st.sampled_from(sorted(BOUNDS)),
)
def test_products_of_all_shapes(multiply, Q, sizes, transposed, precision):
    rng = np.random.default_rng(sizes)
    rows, depth, columns = sizes
    a, b = normal(rng, Q, rows, depth), normal(rng, Q, depth, columns)
    check(multiply(a, b, precision, *transposed), a, b, BOUNDS[precision])


@pytest.mark.parametrize("transposed", [(False, True), (False, False), (True, False)], ids=["Y", "gX", "gW"])
@pytest.mark.parametrize("precision", BOUNDS)
def test_aligned_operands(multiply, precision, transposed, rng):
    """Both operands are copied 16 bytes at a time."""
    a, b = normal(rng, 2, 72, 40), normal(rng, 2, 40, 68)
    check(multiply(a, b, precision, *transposed), a, b, BOUNDS[precision])


@pytest.mark.parametrize("transposed", [(False, True), (False, False), (True, False)], ids=["Y", "gX", "gW"])
@pytest.mark.parametrize("precision", BOUNDS)
@pytest.mark.parametrize("multiply", ["warpgroups"], indirect=True)
def test_several_tiles_of_a_block(multiply, precision, transposed, rng):
    """Along M and N, cut at both edges, with more K-tiles than stages."""
    a, b = normal(rng, 1, 130, 85), normal(rng, 1, 85, 150)
    check(multiply(a, b, precision, *transposed), a, b, BOUNDS[precision])


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
@pytest.mark.parametrize("power", [-60, 0, 60])
def test_any_magnitude(multiply, power, precision, rng):
    """Operands are scaled to the range of fp16, one up and the other one down."""
    a, b = normal(rng, 1, 20, 70) * 2.0**power, normal(rng, 1, 70, 30) * 2.0 ** (20 - power)
    check(multiply(a, b, precision), a, b, BOUNDS[precision])


@pytest.mark.parametrize("transposed", [(False, True), (False, False), (True, False)])
@pytest.mark.parametrize("growth", [0.25, -0.25])
def test_k_tiles_of_different_magnitudes(multiply, growth, transposed, rng):
    """Numbers grow or fall by 2^40 along the contraction."""
    powers = 2.0 ** (growth * np.arange(160))
    a, b = normal(rng, 1, 20, 160) * powers, normal(rng, 1, 160, 30)
    for precision in ("fp32", "tf32"):
        check(multiply(a, b, precision, *transposed), a, b, BOUNDS[precision])


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
@pytest.mark.parametrize("power", [-75, 75])
def test_tiles_of_different_magnitudes(multiply, power, precision, rng):
    """Successive tiles of one block each begin with their own scales."""
    a, b = normal(rng, 3, 20, 40), normal(rng, 3, 40, 30)
    a[2] *= 2.0**power
    b[2] *= 2.0 ** (power // 3)
    for of_a, of_b, out in zip(a, b, multiply(a, b, precision), strict=True):
        check(out, of_a, of_b, BOUNDS[precision])


def test_one_operand_falls_as_the_other_one_grows(multiply, rng):
    """The scales then fall while the products stay of one size."""
    powers = 2.0 ** (0.25 * np.arange(160))
    a, b = normal(rng, 1, 20, 160) * powers, normal(rng, 1, 160, 30) / powers[:, None]
    for precision in ("fp32", "tf32"):
        check(multiply(a, b, precision), a, b, BOUNDS[precision])


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_the_largest_number_is_almost_a_power_of_two(multiply, precision, rng):
    a, b = normal(rng, 1, 20, 40), normal(rng, 1, 40, 30)
    a /= np.max(np.abs([a.real, a.imag]))
    a[0, 3, 5] = np.nextafter(np.float32(2), np.float32(0))
    check(multiply(a, b, precision), a, b, BOUNDS[precision])


@pytest.mark.parametrize("k", [4, 5])
@pytest.mark.parametrize("number", [2.0**20, 2.0**20 * 1j])
def test_one_large_number(multiply, k, number, rng):
    a, b = normal(rng, 1, 20, 40), normal(rng, 1, 40, 30)
    a[0, 3, k] = number
    check(multiply(a, b), a, b, BOUNDS["fp32"])


@pytest.mark.parametrize("down", [12, 16])
def test_small_numbers_beside_large_ones(multiply, down, rng):
    """Rows that are 2^-16 as large as others have the same relative error."""
    a, b = normal(rng, 1, 20, 40), normal(rng, 1, 40, 30)
    a[:, 10:] *= 2.0**-down
    check(multiply(a, b)[:, 10:], a[:, 10:], b, BOUNDS["fp32"])


def test_zeros(multiply):
    assert np.all(multiply(np.zeros((1, 20, 40)), np.zeros((1, 40, 30))) == 0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_infinity_and_nan_stay_in_their_row(multiply, value, rng):
    a, b = normal(rng, 1, 20, 40), normal(rng, 1, 40, 30)
    a[0, 3, 5] = value
    for precision in ("fp32", "tf32"):
        out = multiply(a, b, precision)
        assert not np.isfinite(out[0, 3]).any()
        others = np.arange(20) != 3
        check(out[:, others], a[:, others], b, BOUNDS[precision])


@pytest.mark.gpu
@pytest.mark.parametrize("depth", [384, 4096])
def test_long_sums(depth, rng):
    """Sums of positive numbers grow: what tensor cores truncate would add up to more than the bound."""
    device = tinyfft.use_device("cuda")
    a, b = (rng.uniform(0.5, 1, (2, 128, depth)) * (1 + 0.5j) for _ in range(2))
    operands = [device.array(m.astype(np.complex64)) for m in (a, b)]
    out = device.empty((2, 128, 128), np.complex64)
    products.product(*operands, out, device, transpose_b=True, deterministic=True)
    check(to_host(out), a, b.swapaxes(1, 2), FP32_BOUND)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", BOUNDS)
def test_a_product_with_and_without_autotuning(precision, rng):
    device = tinyfft.use_device("cuda")
    a, b = normal(rng, 3, 65, 2 * BF16_BLOCK), normal(rng, 3, 2 * BF16_BLOCK, BF16_BLOCK)
    stored = to_bf16_blocks if precision == "bf16" else np.complex64
    operands = [device.array(np.ascontiguousarray(stored(m))) for m in (a, b)]
    for deterministic in (False, True):
        out = device.empty((3, 65, BF16_BLOCK), operands[0].dtype)
        products.product(*operands, out, device, precision=precision, deterministic=deterministic)
        found = from_bf16_blocks(to_host(out)) if precision == "bf16" else to_host(out)
        check(found, a, b, BOUNDS[precision])
