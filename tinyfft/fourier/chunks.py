"""Chunks: a pass that needs more memory than it may have is cut along samples, frequencies and maps.

    updateOutput        y[samples, maps]   from x[samples] and w[maps], maps of the output
    updateGradInput     gx[samples, maps]  from gy[samples] and w[:, maps], maps of the input
    accGradParameters   gw[:, maps]        from gy[samples] and x[samples, maps], summed over the samples

A chunk is some samples at some frequencies, and is cut into blocks of maps; without a limit a pass is one chunk of one
block. The chunk's left spectrum (x_hat, or gy_hat in both backward passes) is computed
once and held while blocks of maps follow one another. So cutting maps repeats no work, but narrow products run
below full speed. Cutting the samples into n chunks transforms the weights n times. Where frequencies are cut, results
are summed over their ranges too. The cheapest cut is known beforehand and the order is fixed, so results are the same
bits each time. Each block is a convolution with a plan of its own, of the same lengths and tiles.

Only the CPU cuts frequencies, by kx (cpu/matrix_dft.py). That repeats no operation, but planes are read, and sums
written, once a chunk. The CPU also cuts a pass without a limit, at CHUNK_BYTES, unless its spectra are to be kept.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import product as pairs
from math import ceil, inf, prod
from typing import Literal, NamedTuple

from tinyfft.arena import LimitError
from tinyfft.backend import Array
from tinyfft.cpu.threads import split
from tinyfft.fourier.plan import OPS_PER_NUMBER_MOVED, Plan

CHUNK_BYTES = {"cpu": 1 << 27, "cuda": inf}
"""A pass uses at most this much of the arena even when more is allowed, by kind of device."""

NARROW_GEMM_PENALTY = 24
"""A product of this many rows or columns takes twice the time that its operations say; in general the factor is
1 + (NARROW_GEMM_PENALTY / rows)^2 + (NARROW_GEMM_PENALTY / columns)^2."""


class Region(NamedTuple):
    """Some samples, maps and frequencies of a pass."""

    index: dict[str, slice]  # of the axes "S", "C" and "F" that are cut
    plan: Plan  # of this region alone
    whole: bool  # whether the region is all of the pass
    first: bool  # whether it has the first frequencies of its samples and maps, the zero frequency among them
    last: bool  # whether it has their last ones

    def cut(self, array: Array | None, axes: str) -> Array | None:
        """Return the region of an array whose first axes are `axes`; None for None."""
        if self.whole or array is None:
            return array
        return array[tuple(self.index.get(axis, slice(None)) for axis in axes)]


class Chunk(NamedTuple):
    """Some samples at some frequencies: the region of the spectrum that is held, and the blocks of maps."""

    held: Region
    blocks: tuple[Region, ...]

    @property
    def plan(self) -> Plan:
        """The plan of the held region, with as many maps as the largest block: it needs the most memory."""
        return self.held.plan


@lru_cache(maxsize=1024)
def chunks(plan: Plan, maps: Literal["C", "F"], limit: float = inf, in_one: bool = False) -> tuple[Chunk, ...]:
    """Return the chunks of a pass, none of which asks the arena for more than `limit` bytes.

    maps    the axis that is cut into blocks: "F", the output's maps, or "C", the input's
    in_one  whether a pass that fits the limit stays one chunk even beyond CHUNK_BYTES
    A pass that fits is one chunk of one block, with the plan itself. Sizes along an axis differ by at most one, so
    there are few plans, the same ones at every call. Raises LimitError if one sample and one map do not fit.
    """
    columns = range(1, (plan.x.N // 2 + 1 if plan.kind == "cpu" else 1) + 1)
    sizes = (_counts(plan.S), _counts(getattr(plan, maps)), columns)
    counts = sorted(pairs(*sizes), key=_cost(plan, maps))
    for allowed in (limit,) if in_one else (min(limit, CHUNK_BYTES[plan.kind]), limit):
        for cut in counts:
            if _largest(plan, maps, *cut).arena_bytes <= allowed:
                return _chunks(plan, maps, *cut)
    needed = _largest(plan, maps, *map(max, sizes)).arena_bytes
    raise LimitError(f"one sample and one map need {needed} bytes of the arena, arena.limit_bytes allows {limit}")


def fits(plan: Plan, limit: float) -> bool:
    """Whether all three passes can go in chunks of at most `limit` bytes."""
    try:
        return all(chunks(plan, maps, limit) for maps in ("F", "C"))
    except LimitError:
        return False


def _chunks(plan: Plan, maps: str, n: int, m: int, ranges: int) -> tuple[Chunk, ...]:
    columns, whole = _columns(plan, ranges), n * m * ranges == 1
    found = []
    for samples, kx in pairs(split(plan.S, n), columns):
        ends = (whole, kx is columns[0], kx is columns[-1])
        blocks = tuple(
            Region({"S": samples, maps: block}, _block_plan(plan, _size(samples), maps, _size(block), kx), *ends)
            for block in split(getattr(plan, maps), m)
        )
        found.append(Chunk(Region({"S": samples}, blocks[-1].plan, *ends), blocks))  # the last block is the largest
    return tuple(found)


def _cost(plan: Plan, maps: str) -> Callable[[tuple[int, int, int]], tuple[float, int]]:
    """Return what a cut (n, m, ranges) costs: operations, then the number of blocks to decide between equals."""
    moving, size = OPS_PER_NUMBER_MOVED[plan.kind], getattr(plan, maps)
    of_w = plan.transform_operations("w") + moving * prod(plan.spectrum_shape("w"))
    of_products, of_planes = plan.product_operations, moving / 2 * plan.points

    def cost(cut: tuple[int, int, int]) -> tuple[float, int]:
        n, m, ranges = cut
        narrow = 1 + (NARROW_GEMM_PENALTY * n / plan.S) ** 2 + (NARROW_GEMM_PENALTY * m / size) ** 2
        return n * of_w + narrow * of_products + ranges * of_planes, n * m * ranges

    return cost


def _largest(plan: Plan, maps: str, n: int, m: int, ranges: int) -> Plan:
    """Return the plan of the largest of n x m x ranges blocks."""
    kx = max(_columns(plan, ranges), key=lambda kx: _block_plan(plan, 1, maps, 1, kx).Q)
    return _block_plan(plan, ceil(plan.S / n), maps, ceil(getattr(plan, maps) / m), kx)


def _columns(plan: Plan, ranges: int) -> list[range | None]:
    """Return all kx cut into ranges; None stands for all of them in one."""
    if ranges == 1:
        return [None]
    return [range(part.start, part.stop) for part in split(plan.x.N // 2 + 1, ranges)]


@lru_cache(maxsize=4096)
def _block_plan(plan: Plan, S: int, maps: str, count: int, kx: range | None) -> Plan:
    whole = (S, count, kx) == (plan.S, getattr(plan, maps), None)
    return plan if whole else replace(plan, S=S, kx=kx, **{maps: count})


def _counts(n: int) -> list[int]:
    """Return the numbers of parts to cut n into: for each size of the largest part the fewest."""
    return sorted({ceil(n / size) for size in range(1, n + 1)})


def _size(part: slice) -> int:
    return part.stop - part.start
