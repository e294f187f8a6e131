"""The three passes of a convolution as data, and the one loop that runs any of them.

    updateOutput        y_hat       = x_hat  @ w_hat^T      summed over the input maps C
    updateGradInput     conj gx_hat = gy_hat @ w_hat        summed over the output maps F
    accGradParameters   gw_hat      = gy_hat^T @ x_hat      summed over the samples S

Each pass multiplies two of the three spectra and yields the third. w_hat and gy_hat are stored conjugated, so that the
products need no conj; `signal` conjugates conj gx_hat back. "x", "w" and "y" name the input, the weights and the
output, in the backward passes also their gradients.
Memory  A pass that needs more than the arena's limit is cut into chunks of samples, and a chunk into blocks of maps
        (chunks.py). A chunk computes its left spectrum once and holds it, while the right spectrum and the result are
        computed for one block after another. A region is a part of the arrays: a chunk's held part, or a block's.
Source  Mathieu, Henaff, LeCun 2013, arXiv:1312.5851, section 2
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tinyfft.arena import Arena, current_arena
from tinyfft.backend import Array, Device
from tinyfft.cuda.source import Source
from tinyfft.fourier import product, signal, spectrum
from tinyfft.fourier.chunks import Region, chunks
from tinyfft.fourier.gpu import products
from tinyfft.fourier.plan import Plan

AXES = {"x": "SC", "w": "FC", "y": "SF"}
"""The first two axes of each array: S samples, C input maps, F output maps."""


class Pass(NamedTuple):
    """left @ right = result, either operand transposed on request; `maps` names the axis that is cut into blocks."""

    left: str
    right: str
    result: str
    maps: str
    transpose_a: bool = False
    transpose_b: bool = False


PASSES = {
    "updateOutput": Pass("x", "w", "y", "F", transpose_b=True),
    "updateGradInput": Pass("y", "w", "x", "C"),
    "accGradParameters": Pass("y", "x", "w", "C", transpose_a=True),
}


def run(
    names: Sequence[str],
    plan: Plan,
    device: Device,
    read: Callable[[str, Region, Arena], Array],
    write: Callable[[str, Array, Region, Arena], None],
    *,
    in_one_chunk: bool = False,
    deterministic: bool = False,
) -> int:
    """Run one pass, or both backward passes with a single transform of gradOutput; return into how many blocks.

    names          keys of PASSES; all of them have the same left spectrum
    read           read(name, region, arena) returns the spectrum of a region of "x", "w" or "y"
    write          write(name, spectrum, region, arena) transforms the spectrum back and writes or adds the planes
    in_one_chunk   whether not to cut a pass that fits the arena's limit, because its spectra are to be kept
    deterministic  whether the products are chosen without timing them
    Raises LimitError if one sample and one map do not fit the arena's limit.
    """
    passes = [PASSES[name] for name in names]
    arena, count = current_arena(device), 0
    for chunk in chunks(plan, passes[0].maps, arena.limit, in_one_chunk):  # both backward passes cut C
        with arena.frame(chunk.plan.arena_bytes):
            left = read(passes[0].left, chunk.held, arena)
            for each in passes:
                how = {"transpose_a": each.transpose_a, "transpose_b": each.transpose_b}
                how |= {"precision": plan.precision, "deterministic": deterministic}
                for block in chunk.blocks:
                    with arena.frame(0):
                        right = read(each.right, block, arena)
                        result = arena.take(block.plan.spectrum_shape(each.result), block.plan.spectrum_dtype)
                        product.product(left, right, result, device, **how)
                        write(each.result, result, block, arena)
        count += len(chunk.blocks)
    return count


def kernels(plan: Plan, names: Sequence[str], device: Device, relu: bool) -> list[Source]:
    """Return the GPU kernels that these passes need, or may choose; none on the CPU.

    relu  whether the passes also run with a fused ReLU
    """
    if plan.kind == "cpu":
        return []
    found, adds = [], {"x": not plan.covers, "w": True, "y": False}
    for each in map(PASSES.get, names):
        found += [spectrum.source(plan, name, device) for name in (each.left, each.right)]
        found.append(signal.source(plan, each.result, device, adds[each.result]))
        shapes = (plan.spectrum_shape(each.left), plan.spectrum_shape(each.right))
        how = {"transpose_a": each.transpose_a, "transpose_b": each.transpose_b, "precision": plan.precision}
        found += products.kernels(*shapes, plan.spectrum_dtype, device, **how)
    if relu:
        found += [spectrum.source(plan, "y", device, relu=True), signal.source(plan, "y", device, relu=True)]
    return found
