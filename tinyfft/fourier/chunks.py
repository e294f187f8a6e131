"""Chunks: a pass that needs more memory than it may have is cut along the minibatch, the output maps, the frequencies.

    updateOutput       y[samples, maps]  = what x[samples] and w[maps] give
    updateGradInput    gx[samples]       = what gy[samples, maps] and w[maps] give, summed over the chunks of maps
    accGradParameters  gw[maps]          = what gy[samples, maps] and x[samples] give, summed over those of samples

each of them, where the frequencies are cut, summed over the parts of these too. Each chunk is a convolution with a plan
of its own, of the same transform lengths and tiles. With n chunks of samples times m of maps, planes of x are
transformed m times and those of w n times, whichever the pass; products and planes of y cost what they did. So the
cheapest n and m are known beforehand, and the order is fixed: the same bits each time.

Frequencies are cut on the CPU alone, by kx (matrix_dft.py): no operation is done twice then, but planes are read and
sums written once for each part. There a pass is cut without a limit too, so that the spectra of a network take ENOUGH
bytes and no more, but not where spectra are to be kept from one pass to another.
"""

from dataclasses import replace
from functools import lru_cache
from itertools import product as pairs
from math import ceil, inf, prod
from typing import NamedTuple

from tinyfft.backend import Array
from tinyfft.fourier.arena import LimitError
from tinyfft.fourier.plan import MOVING, Plan
from tinyfft.parallel import split

ENOUGH = {"cpu": 3 << 27, "cuda": inf}
"""Bytes of the arena that a pass of a device takes without need."""


class Chunk(NamedTuple):
    """A part of a pass: samples of x, maps of w, both of y, and the plan for that many and for its frequencies."""

    samples: slice
    maps: slice
    plan: Plan
    whole: bool  # whether it is all of the pass
    first: bool  # of the parts of the frequencies for these samples and maps
    last: bool

    def cut(self, array: Array | None, *axes: str) -> Array | None:
        """The part of an array whose first axes are "samples" or "maps"; the array itself if that is all of it."""
        return array if self.whole or array is None else array[tuple(getattr(self, axis) for axis in axes)]


@lru_cache(maxsize=1024)
def chunks(plan: Plan, limit: float = inf, keeps: bool = False) -> tuple[Chunk, ...]:
    """The chunks of a pass, none of which asks the arena for more than `limit` bytes; parts of frequencies innermost.

    keeps  whether the spectra of a whole pass are kept
    One chunk, with the plan itself, if that fits. Sizes along an axis differ by one at most, so that there are few
    plans, the same ones at every call. Raises LimitError if one sample and one map do not fit.
    """
    counts = sorted(pairs(_counts(plan.S), _counts(plan.F), _part_counts(plan)), key=lambda cut: _cost(plan, *cut))
    for allowed in (limit,) if keeps else (min(limit, ENOUGH[plan.kind]), limit):
        for cut in counts:
            if _largest(plan, *cut).arena_bytes <= allowed:
                return _chunks(plan, *cut)
    needed = _largest(plan, plan.S, plan.F, max(_part_counts(plan))).arena_bytes
    raise LimitError(
        f"one sample and one output map need {needed} bytes of the arena, arena.limit_bytes allows {limit}"
    )


def _chunks(plan: Plan, n: int, m: int, parts: int) -> tuple[Chunk, ...]:
    samples, maps, columns = split(plan.S, n), split(plan.F, m), _columns(plan, parts)
    sizes = pairs({*map(_size, samples)}, {*map(_size, maps)}, columns)
    plans = {size: _part(plan, *size) for size in sizes}
    return tuple(
        Chunk(s, f, plans[_size(s), _size(f), kx], n * m * parts == 1, kx is columns[0], kx is columns[-1])
        for s, f, kx in pairs(samples, maps, columns)
    )


def _cost(plan: Plan, n: int, m: int, parts: int) -> tuple[float, int]:
    """What is done more than once, in operations; of equals the fewest chunks."""
    moving = MOVING[plan.kind]
    of_x, of_w = (plan.transform_operations(name) + moving * prod(plan.spectrum_shape(name)) for name in "xw")
    return m * of_x + n * of_w + parts * moving * plan.points, n * m * parts


def _part_counts(plan: Plan) -> list[int]:
    return _counts(plan.x.N // 2 + 1) if plan.kind == "cpu" else [1]


def _largest(plan: Plan, n: int, m: int, parts: int) -> Plan:
    """The plan of the largest of n x m x parts chunks."""
    kx = max(_columns(plan, parts), key=lambda kx: _part(plan, 1, 1, kx).Q)
    return _part(plan, ceil(plan.S / n), ceil(plan.F / m), kx)


def _columns(plan: Plan, parts: int) -> list[range | None]:
    """All kx in so many ranges; None stands for all of them in one."""
    if parts == 1:
        return [None]
    return [range(part.start, part.stop) for part in split(plan.x.N // 2 + 1, parts)]


@lru_cache(maxsize=4096)
def _part(plan: Plan, S: int, F: int, kx: range | None) -> Plan:
    return plan if (S, F, kx) == (plan.S, plan.F, None) else replace(plan, S=S, F=F, kx=kx)


def _counts(n: int) -> list[int]:
    """Into how many parts n things can be cut: of the counts with one size of the largest part, the lowest."""
    return sorted({ceil(n / size) for size in range(1, n + 1)})


def _size(part: slice) -> int:
    return part.stop - part.start
