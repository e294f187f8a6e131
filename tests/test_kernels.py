"""The CUDA sources: they are found, have headers, and compile."""

import numpy as np
import nvrtc
import pytest

from datasets import augment
from tinyfft.cuda.source import kernel_directory, kernel_source
from tinyfft.fourier.axis import Axis, AxisPlan
from tinyfft.fourier.gpu import tensor_product, warpgroup_product
from tinyfft.fourier.gpu.kernel import specialise
from tinyfft.fourier.plan import Plan
from tinyfft.ops import cross_entropy, dropout, linear, normalization, sgd
from tinyfft.ops.direct_convolution import implicit_gemm
from tinyfft.ops.pooling import PoolKernel

ONLY_FOR = {"warpgroup_product": ("sm_90a",)}
STEMS = sorted(path.stem for path in kernel_directory().rglob("*.cu"))


def test_sources_are_found_beside_the_package():
    assert "__global__" in kernel_source("spectrum")


def test_every_source_and_header_has_a_name_of_its_own():
    names = [path.name for path in kernel_directory().rglob("*.cu*")]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("stem", STEMS)
def test_every_source_opens_with_its_layout(stem):
    header = kernel_source(stem).partition("*/")[0]
    assert header.startswith(f"/* {stem}: ")
    for entry in ("Computes", "Input", "Output", "Grid", "Block", "Shared", "Requires"):
        assert f"{entry}  " in header


@pytest.mark.skipif(nvrtc.load() is None, reason="NVRTC's wheel is not installed (extra `test`)")
@pytest.mark.parametrize(
    ("stem", "architecture"),
    [(stem, architecture) for stem in STEMS for architecture in ONLY_FOR.get(stem, ("sm_80", "sm_90"))],
)
def test_every_source_compiles(stem, architecture):
    for source in sources(stem):
        assert nvrtc.compile_for(source, architecture)[:4] == b"\x7fELF"


def sources(stem):
    """Yield a source, specialised: whole and clipped windows, odd and even sizes, all precisions, with ReLU."""
    if stem == "max_pool":
        yield PoolKernel(Axis(32, 2, 2), Axis(32, 2, 2), 4).source().text()
        yield PoolKernel(Axis(9, 3, 2, 1, 1), Axis(8, 4, 1), 8, wide_index=True, relu=True).source().text()
        return
    if stem == "normalization":
        yield from (normalization.source(itemsize).text() for itemsize in (4, 8))
        return
    if stem in ("tensor_product", "warpgroup_product"):
        module = {"tensor_product": tensor_product, "warpgroup_product": warpgroup_product}[stem]
        for precision, flags in (("fp32", "0111"), ("fp32", "1001"), ("tf32", "0010")):
            yield module.source(precision, *(flag == "1" for flag in flags)).text()
        for transposed in ((False, True), (False, False), (True, False)):  # the passes of a layer
            yield module.source("bf16", *transposed, True, True).text()
        return
    if stem == "implicit_gemm":
        yield implicit_gemm.source("fp32").text()
        yield implicit_gemm.source("tf32", narrow=True, dgrad=True).text()
        yield implicit_gemm.source("fp32", wgrad=True).text()
        return
    if stem == "plain_gemm":
        yield implicit_gemm.plain_source(4).text()
        yield implicit_gemm.plain_source(8, dgrad=True).text()
        yield implicit_gemm.plain_source(8, wgrad=True).text()
        return
    if stem == "add_parts":
        yield from (implicit_gemm.sum_source(itemsize).text() for itemsize in (4, 8))
        return
    if stem == "minibatch":
        yield from (augment.source(itemsize).text() for itemsize in (4, 8))
        return
    if stem not in ("spectrum", "signal"):
        yield from (source.text() for source in flat_sources(stem))
        return
    for N, tile, stride, itemsize in ((36, None, 1, 4), (18, 6, 1, 4), (15, None, 2, 8)):
        axis = AxisPlan(Axis(2 * N - 9, 5, stride, 2, 2) if stride > 1 else Axis(N - 4, 5, 1, 2, 2), N, tile)
        plan = Plan(4, 3, 2, axis, axis, itemsize, "cuda")
        plane = (axis.axis.size, axis.axis.size)
        yield specialise(stem, plan, "x", plane, 99 << 10, conjugate=True, accumulate=tile is not None).source().text()
    axis = AxisPlan(Axis(32, 5, 1, 2, 2), 36)
    plan = Plan(4, 3, 2, axis, axis, kind="cuda", precision="bf16")
    yield specialise(stem, plan, "y", (32, 32), 99 << 10, conjugate=False, relu=True).source().text()


def flat_sources(stem):
    if stem == "column_sums":
        numbers = (("float32", "float32"), ("complex128", "float64"), ("uint32", "float32"))
        return [linear.column_sums_source(*dtypes) for dtypes in numbers]
    if stem == "cross_entropy":
        return [cross_entropy.source(*map(np.dtype, types)) for types in (("f4", "i8"), ("f8", "u1"))]
    if stem == "dropout":
        return [dropout.source(itemsize) for itemsize in (4, 8)]
    if stem == "sgd":
        return [sgd.source(itemsize, nesterov) for itemsize, nesterov in ((4, True), (8, False))]
    raise AssertionError(f"kernels/{stem}.cu: add its sources to tests/test_kernels.py")
