"""Direct convolution on a GPU: each pass is one matrix product (im2col.cuh).

float32 runs on tensor cores (implicit_gemm.cu) in the layer's precision. "bf16" rounds operands as "tf32" does: 10 bits
of fraction cost the same as 7. float64, and GPUs before sm_80, use plain_gemm.cu.
Plan     the layer's; only its sizes count
Scratch  from the arena, in parameter_gradients: sums over parts of the minibatch's positions
"""

import ctypes
from functools import cache
from math import ceil, prod

import numpy as np

from tinyfft.arena import Arena, LimitError, aligned
from tinyfft.backend import Array, Device
from tinyfft.cuda import launch
from tinyfft.cuda.source import REAL, Source, make_source
from tinyfft.fourier.gpu.tensor_product import SPLIT_TERMS
from tinyfft.fourier.plan import Plan

WARP_TILE, TILE_K, BLOCKS_PER_SM, THREADS = 32, 32, 4, 128
NARROW_N = 32  # a product of at most so many columns is narrow
TILES = {False: (64, 64), True: (128, 32)}  # (TILE_M, TILE_N), by whether the product is narrow
PLAIN_THREADS = 256
INT_MAX, INT_MARGIN = 2**31 - 1, 1 << 16  # kernels count up to the end of the last tile
TARGET_BLOCKS, MIN_PART_K_TILES = 1024, 8
"""Positions are cut into parts until there are TARGET_BLOCKS blocks; a part has at least MIN_PART_K_TILES K-tiles."""


class ConvProblem(ctypes.Structure):
    """The struct that im2col.cuh declares."""

    _fields_ = [
        (name, ctypes.c_int)
        for name in (
            *("samples", "maps", "height", "width", "out_height", "out_width"),
            *("kernel_y", "kernel_x", "stride_y", "stride_x", "pad_y", "pad_x"),
            *("N", "n_stride", "k_period", "period_stride", "k_per_part"),
        )
    ]


def convolve(
    input: Array, weight: Array, bias: Array | None, output: Array, plan: Plan, device: Device, precision: str
) -> None:
    """Write output (S, F, oH, oW), from input (S, C, H, W), weight (F, C, kH, kW) and bias (F,)."""
    taps = weight[0].size
    matrix = {"N": plan.F, "n_stride": taps, "k_period": taps, "period_stride": 0, "k_per_part": taps}
    problem = _problem(input, output.shape[2:], plan, **matrix)
    _launch((input, weight, bias, output), problem, plan, device, precision)


def input_gradient(
    gradOutput: Array, weight: Array, gradInput: Array, plan: Plan, device: Device, precision: str
) -> None:
    """Write gradInput (S, C, H, W), from gradOutput (S, F, oH, oW) and weight (F, C, kH, kW)."""
    taps, area = weight[0].size, weight[0, 0].size
    matrix = {"N": plan.C, "n_stride": area, "k_period": area, "period_stride": taps, "k_per_part": plan.F * area}
    problem = _problem(gradOutput, gradInput.shape[2:], plan, **matrix)
    _launch((gradOutput, weight, None, gradInput), problem, plan, device, precision, dgrad=True)


def parameter_gradients(
    input: Array,
    gradOutput: Array,
    gradWeight: Array,
    gradBias: Array | None,
    scale: float,
    plan: Plan,
    arena: Arena,
    precision: str,
) -> None:
    """Add scale times the gradients to gradWeight (F, C, kH, kW) and gradBias (F,).

    Raises LimitError if the arena cannot hold the sums of one part.
    """
    device, taps, area = arena.device, gradWeight[0].size, gradOutput[0, 0].size
    parts, k_per_part = _parts(plan, arena.limit)
    matrix = {"N": plan.F, "n_stride": area, "k_period": area, "period_stride": plan.F * area, "k_per_part": k_per_part}
    problem = _problem(input, gradOutput.shape[2:], plan, **matrix)
    with arena.frame(scratch_bytes(plan, parts)):
        sums = arena.take((parts, plan.F, _ones_row(plan) + 1), gradWeight.dtype)
        counts = (parts, plan.F, taps, _ones_row(plan))
        _launch((input, gradOutput, None, sums), problem, plan, device, precision, wgrad=True, parts=parts)
        arguments = (sums, gradWeight, gradBias, gradWeight.dtype.type(scale), *map(np.int32, counts))
        blocks = ceil(plan.F * (_ones_row(plan) + 1) / PLAIN_THREADS), 1
        launch.run(sum_source(gradWeight.itemsize), "add_parts", blocks, PLAIN_THREADS, arguments, device)


def scratch_bytes(plan: Plan, parts: int = 1) -> int:
    """Return the bytes of the arena for the sums of `parts` parts."""
    return aligned(parts * plan.F * (_ones_row(plan) + 1) * plan.itemsize)


def kernels(plan: Plan, precision: str, device: Device) -> list[Source]:
    """Return the kernels that the three passes launch."""
    passes = ((plan.F, {}), (plan.C, {"dgrad": True}), (plan.F, {"wgrad": True}))
    kernels = [_kernel(plan, N <= NARROW_N, precision, device, **flags) for N, flags in passes]
    return [*kernels, sum_source(plan.itemsize)]


def _kernel(plan: Plan, narrow: bool, precision: str, device: Device, **flags: bool) -> Source:
    if plan.itemsize == 8 or launch.architecture(device) < launch.TENSOR_CORES:
        return plain_source(plan.itemsize, narrow, **flags)
    return source(precision, narrow, **flags)


@cache
def plain_source(itemsize: int, narrow: bool = False, dgrad: bool = False, wgrad: bool = False) -> Source:
    """Return the kernel without tensor cores, plain_gemm.cu."""
    constants = {"DGRAD": dgrad, "WGRAD": wgrad, "TILE_M": TILES[narrow][0], "THREADS": PLAIN_THREADS}
    return make_source("plain_gemm", {"number": REAL[itemsize]}, **constants)


@cache
def source(precision: str, narrow: bool = False, dgrad: bool = False, wgrad: bool = False) -> Source:
    """Return the kernel for tensor cores, implicit_gemm.cu."""
    tile_m, tile_n = TILES[narrow]
    tile = {"TILE_M": tile_m, "TILE_N": tile_n, "TILE_K": TILE_K, "WARP_TILE": WARP_TILE}
    constants = {"DGRAD": dgrad, "WGRAD": wgrad, "SPLIT_TERMS": SPLIT_TERMS[precision], "BLOCKS_PER_SM": BLOCKS_PER_SM}
    return make_source("implicit_gemm", {"number": "float"}, {"BF16": False, "REAL": True}, **tile, **constants)


@cache
def sum_source(itemsize: int) -> Source:
    """Return the kernel that adds up the parts."""
    return make_source("add_parts", {"number": REAL[itemsize]}, THREADS=PLAIN_THREADS)


def _problem(image: Array, positions: tuple[int, int], plan: Plan, **matrix: int) -> ConvProblem:
    y, x = plan.y.axis, plan.x.axis
    axes = (y.kernel, x.kernel, y.stride, x.stride, y.before, x.before)
    return ConvProblem(*image.shape, *positions, *axes, **matrix)


def _launch(
    arrays: tuple, problem: ConvProblem, plan: Plan, device: Device, precision: str, parts: int = 1, **flags: bool
) -> None:
    """Launch a product that writes the last array; `flags` are `dgrad` or `wgrad`."""
    if not countable(plan):
        raise ValueError(
            f"DirectConvolution: {plan.S} samples of {plan.points} numbers are more than the kernels can count, "
            f"expected at most {INT_MAX - INT_MARGIN} positions and offsets"
        )
    *read, out = arrays
    arrays = (*(array if array is None else device.xp.ascontiguousarray(array) for array in read), out)
    narrow, wgrad = problem.N <= NARROW_N, "wgrad" in flags
    M = _ones_row(plan) + 1 if wgrad else problem.samples * problem.out_height * problem.out_width
    kernel, (tile_m, tile_n) = _kernel(plan, narrow, precision, device, **flags), TILES[narrow]
    if kernel.stem == "plain_gemm":
        blocks, threads, shared = ceil(M * problem.N / PLAIN_THREADS), PLAIN_THREADS, 0
    else:
        blocks, threads = ceil(M / tile_m) * ceil(problem.N / tile_n), THREADS
        shared = _shared_bytes(tile_m, tile_n, SPLIT_TERMS[precision], wgrad)
    launch.run(kernel, kernel.stem, (blocks, parts), threads, (*arrays, problem), device, shared)


def _shared_bytes(tile_m: int, tile_n: int, terms: int, wgrad: bool) -> int:
    """Return the bytes of both operands' WarpTile (warp_tile.cuh), four 4-byte numbers and A's taps."""
    terms_a, taps = (tile_m * (TILE_K + 8), tile_m) if wgrad else (TILE_K * (tile_m + 8), TILE_K)
    return 4 * TILE_K * (tile_m + tile_n) + 2 * terms * (terms_a + tile_n * (TILE_K + 8)) + 16 + 12 * taps


def countable(plan: Plan) -> bool:
    """Return whether an int can count the positions, and the offsets in a sample and in the weights."""
    sizes = [prod(window.size for window in plan.windows(name)) for name in "xy"]
    counts = (plan.S * max(sizes), plan.C * sizes[0], plan.F * sizes[1], plan.F * (_ones_row(plan) + 1))
    return max(counts) + INT_MARGIN <= INT_MAX


def _parts(plan: Plan, limit: float) -> tuple[int, int]:
    """Return (the number of parts, the positions of a part) for parameter_gradients."""
    part_bytes = scratch_bytes(plan)
    if part_bytes > limit:
        raise LimitError(f"sums of gradients need {part_bytes} bytes of the arena, arena.limit_bytes allows {limit}")
    tile_m, tile_n = TILES[plan.F <= NARROW_N]
    tiles = ceil((_ones_row(plan) + 1) / tile_m) * ceil(plan.F / tile_n)
    k_tiles = ceil(plan.S * plan.y.axis.out * plan.x.axis.out / TILE_K)
    fitting = int(min(limit / part_bytes, k_tiles))
    parts = min(ceil(TARGET_BLOCKS / tiles), max(1, k_tiles // MIN_PART_K_TILES), fitting)
    part_k_tiles = ceil(k_tiles / max(1, parts))
    return ceil(k_tiles / part_k_tiles), part_k_tiles * TILE_K


def _ones_row(plan: Plan) -> int:
    """Return the row of A whose sums are the bias's gradient: the first row of a separate tile (im2col.cuh)."""
    tile_m = TILES[plan.F <= NARROW_N][0]
    return ceil(plan.C * plan.y.axis.kernel * plan.x.axis.kernel / tile_m) * tile_m
