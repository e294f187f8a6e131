"""Launches implicit_gemm.cu: a pass of a convolution, directly, as one matrix product on a GPU (kernels/unrolled.cuh).

float32 on tensor cores, in the precision that is asked for; "bf16" rounds what is multiplied as "tf32" does, whose 10
bits of fraction cost the same. float64, and all where there are no tensor cores, by plain_gemm.cu. Plans are the
layer's, of which only the axes count.
Scratch  from the arena: sums of parts of the minibatch, for the gradients of parameters alone
"""

import ctypes
from collections.abc import Callable
from functools import cache, partial
from math import ceil, prod

import numpy as np

from tinyfft import gpu
from tinyfft.backend import Array, Device
from tinyfft.fourier.arena import Arena, LimitError, aligned
from tinyfft.fourier.plan import Plan
from tinyfft.fourier.tensor_product import PARTS
from tinyfft.gpu import Source

WARP, DEPTH, BLOCKS = 32, 32, 4
TILES = {False: (64, 64), True: (128, 32)}  # rows and columns, by whether there are only few columns
FEW, THREADS = 32, 128
LARGEST_INT, MARGIN = 2**31 - 1, 1 << 16  # what is counted in whole tiles and slabs
PLAIN_THREADS = 256
MANY_BLOCKS, LEAST_SLABS = 1024, 8
"""Sums over the minibatch are cut into parts until there are so many blocks, but not below so many slabs."""


class Sizes(ctypes.Structure):
    """As unrolled.cuh declares them."""

    _fields_ = [
        (name, ctypes.c_int)
        for name in (
            *("samples", "maps", "height", "width", "out_height", "out_width"),
            *("kernel_y", "kernel_x", "stride_y", "stride_x", "before_y", "before_x"),
            *("columns", "near", "period", "far", "depth"),
        )
    ]


def convolve(
    input: Array, weight: Array, bias: Array | None, output: Array, plan: Plan, device: Device, precision: str
) -> None:
    """output (S, F, oH, oW), from input (S, C, H, W), weight (F, C, kH, kW) and bias (F,)."""
    taps = weight[0].size
    sizes = _sizes(input, output.shape[2:], plan, columns=plan.F, near=taps, period=taps, far=0, depth=taps)
    _launch((input, weight, bias, output), sizes, plan, device, precision)


def input_gradient(
    gradOutput: Array, weight: Array, gradInput: Array, plan: Plan, device: Device, precision: str
) -> None:
    """gradInput (S, C, H, W), from gradOutput (S, F, oH, oW) and weight (F, C, kH, kW)."""
    taps, area = weight[0].size, weight[0, 0].size
    depth = plan.F * area
    sizes = _sizes(gradOutput, gradInput.shape[2:], plan, columns=plan.C, near=area, period=area, far=taps, depth=depth)
    _launch((gradOutput, weight, None, gradInput), sizes, plan, device, precision, backwards=True)


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
    """Add to gradWeight (F, C, kH, kW) and gradBias (F,), from input (S, C, H, W) and gradOutput (S, F, oH, oW).

    Raises LimitError if the arena has no room for the sums of one part.
    """
    device, taps, area = arena.device, gradWeight[0].size, gradOutput[0, 0].size
    parts, depth = _parts(plan, arena.limit)
    of_matrix = {"columns": plan.F, "near": area, "period": area, "far": plan.F * area}
    sizes = _sizes(input, gradOutput.shape[2:], plan, **of_matrix, depth=depth)
    with arena.frame(scratch_bytes(plan, parts)):
        sums = arena.take((parts, plan.F, _ones(plan) + 1), gradWeight.dtype)
        counts = (parts, plan.F, taps, _ones(plan))
        _launch((input, gradOutput, None, sums), sizes, plan, device, precision, taps_are_rows=True, parts=parts)
        arguments = (sums, gradWeight, gradBias, gradWeight.dtype.type(scale), *map(np.int32, counts))
        blocks = ceil(plan.F * (_ones(plan) + 1) / PLAIN_THREADS), 1
        gpu.launch(sum_source(gradWeight.itemsize), "add_parts", blocks, PLAIN_THREADS, arguments, device)


def scratch_bytes(plan: Plan, parts: int = 1) -> int:
    """Bytes of the arena that the sums of so many parts take."""
    return aligned(parts * plan.F * (_ones(plan) + 1) * plan.itemsize)


def compilers(plan: Plan, precision: str, device: Device) -> list[Callable[[], object]]:
    """Return functions that each compile a kernel that the three passes of a plan need."""
    passes = ((plan.F, {}), (plan.C, {"backwards": True}), (plan.F, {"taps_are_rows": True}))
    kernels = [_kernel(plan, columns <= FEW, precision, device, **flags) for columns, flags in passes]
    return [partial(gpu.compile_source, kernel, device) for kernel in (*kernels, sum_source(plan.itemsize))]


def _kernel(plan: Plan, few: bool, precision: str, device: Device, **flags: bool) -> Source:
    if plan.itemsize == 8 or gpu.architecture(device) < gpu.TENSOR_CORES:
        return plain_source(plan.itemsize, few, **flags)
    return source(precision, few, **flags)


@cache
def plain_source(itemsize: int, few: bool = False, backwards: bool = False, taps_are_rows: bool = False) -> Source:
    """The kernel for any numbers."""
    flags = {"BACKWARDS": backwards, "TAPS_ARE_ROWS": taps_are_rows, "TOGETHER": TILES[few][0]}
    return gpu.source("plain_gemm", {"number": gpu.REAL[itemsize]}, THREADS=PLAIN_THREADS, **flags)


@cache
def source(precision: str, few: bool = False, backwards: bool = False, taps_are_rows: bool = False) -> Source:
    """The kernel for tensor cores, and for `few` columns or more."""
    rows, columns = TILES[few]
    sizes = {"ROWS": rows, "COLUMNS": columns, "WARP": WARP, "DEPTH": DEPTH, "BLOCKS": BLOCKS}
    flags = {"BACKWARDS": backwards, "TAPS_ARE_ROWS": taps_are_rows, "TOGETHER": rows}
    macros = {"BF16": False, "REAL": True}
    return gpu.source("implicit_gemm", {"number": "float"}, macros, PARTS=PARTS[precision], **sizes, **flags)


@cache
def sum_source(itemsize: int) -> Source:
    return gpu.source("add_parts", {"number": gpu.REAL[itemsize]}, THREADS=PLAIN_THREADS)


def _sizes(image: Array, positions: tuple[int, int], plan: Plan, **of_matrix: int) -> Sizes:
    y, x = plan.y.axis, plan.x.axis
    of_axes = (y.kernel, x.kernel, y.stride, x.stride, y.before, x.before)
    return Sizes(*image.shape, *positions, *of_axes, **of_matrix)


def _launch(
    arrays: tuple, sizes: Sizes, plan: Plan, device: Device, precision: str, parts: int = 1, **flags: bool
) -> None:
    """Launch over all of out, the last array; `flags` and their meaning are the sources'."""
    if not countable(plan):
        raise ValueError(f"DirectConvolution: {plan.S} samples of {plan.points} numbers are more than it can count")
    *read, out = arrays
    arrays = (*(array if array is None else device.xp.ascontiguousarray(array) for array in read), out)
    few = sizes.columns <= FEW
    rows = _ones(plan) + 1 if "taps_are_rows" in flags else sizes.samples * sizes.out_height * sizes.out_width
    kernel, of_tile = _kernel(plan, few, precision, device, **flags), TILES[few]
    if kernel.stem == "plain_gemm":
        blocks, threads, shared = ceil(rows * sizes.columns / PLAIN_THREADS), PLAIN_THREADS, 0
    else:
        blocks = ceil(rows / of_tile[0]) * ceil(sizes.columns / of_tile[1])
        threads, shared = THREADS, _shared_bytes(*of_tile, PARTS[precision], "taps_are_rows" in flags)
    gpu.launch(kernel, kernel.stem, (blocks, parts), threads, (*arrays, sizes), device, shared)


def _shared_bytes(rows: int, columns: int, parts: int, taps_are_rows: bool) -> int:
    """A slab of each operand, as it is and in parts, lines of these eight numbers longer; four numbers, and taps."""
    of_a, taps = (rows * (DEPTH + 8), rows) if taps_are_rows else (DEPTH * (rows + 8), DEPTH)
    return 4 * DEPTH * (rows + columns) + 2 * parts * (of_a + columns * (DEPTH + 8)) + 16 + 12 * taps


def countable(plan: Plan) -> bool:
    """Whether an int holds all positions, and the places of a sample's numbers and of the weights'."""
    sizes = [prod(window.size for window in plan.windows(name)) for name in "xy"]
    counts = (plan.S * max(sizes), plan.C * sizes[0], plan.F * sizes[1], plan.F * (_ones(plan) + 1))
    return max(counts) + MARGIN <= LARGEST_INT


def _parts(plan: Plan, limit: float) -> tuple[int, int]:
    """(parts of the minibatch's positions, positions of one)."""
    one = scratch_bytes(plan)
    if one > limit:
        raise LimitError(f"sums of gradients need {one} bytes of the arena, arena.limit_bytes allows {limit}")
    rows, columns = TILES[plan.F <= FEW]
    tiles = ceil((_ones(plan) + 1) / rows) * ceil(plan.F / columns)
    slabs = ceil(plan.S * plan.y.axis.out * plan.x.axis.out / DEPTH)
    most = min(ceil(MANY_BLOCKS / tiles), max(1, slabs // LEAST_SLABS), int(min(limit / one, slabs)))
    of_part = ceil(slabs / max(1, most))
    return ceil(slabs / of_part), of_part * DEPTH


def _ones(plan: Plan) -> int:
    """The row whose sums are the bias's gradient, alone in its tile."""
    rows = TILES[plan.F <= FEW][0]
    return ceil(_taps(plan) / rows) * rows


def _taps(plan: Plan) -> int:
    return plan.C * plan.y.axis.kernel * plan.x.axis.kernel
