"""Chunks: a pass that needs more memory than it may have is cut along the minibatch, the frequencies and the maps.

    updateOutput        y[samples, maps]   = what x[samples] and w[maps] give, maps of the output
    updateGradInput     gx[samples, maps]  = what gy[samples] and w[:, maps] give, maps of the input
    accGradParameters   gw[:, maps]        = what gy[samples] and x[samples, maps] give, summed over the samples

each of them, where the frequencies are cut, summed over these too. A chunk is some samples at some frequencies: the
spectrum of x, or of gy for both backward passes, is made once and held, while its parts, of some maps each, follow one
another. So maps are cut without doing anything twice, but narrow matrices are multiplied at less than full speed. With
n chunks of samples planes of w are transformed n times. The cheapest cut is known beforehand, and the order is fixed:
the same bits each time. Each part is a convolution with a plan of its own, of the same transform lengths and tiles.

Frequencies are cut on the CPU alone, by kx (matrix_dft.py): no operation is done twice then, but planes are read and
sums written once for each chunk. There a pass is cut without a limit too, so that the spectra of a network take ENOUGH
bytes and no more, but not where spectra are to be kept from one pass to another.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import product as pairs
from math import ceil, inf, prod
from typing import Literal, NamedTuple

from tinyfft.backend import Array
from tinyfft.fourier.arena import LimitError
from tinyfft.fourier.plan import MOVING, Plan
from tinyfft.parallel import split

ENOUGH = {"cpu": 1 << 27, "cuda": inf}
"""Bytes of the arena that a pass of a device takes without need."""

NARROW = 24
"""A product of so few rows or columns takes twice as long as its operations say, others 1 + (NARROW / rows)^2 +
(NARROW / columns)^2 times."""


class Part(NamedTuple):
    """Some maps of a chunk, of the output (plan.F of them) or of the input (plan.C), and the plan for these alone."""

    maps: slice
    plan: Plan


class Chunk(NamedTuple):
    """Some samples at some frequencies, whose parts share a spectrum: that of all maps of x, or of y."""

    samples: slice
    parts: tuple[Part, ...]
    whole: bool  # whether it is all of the pass, in one part
    first: bool  # of the frequencies for these samples
    last: bool

    @property
    def plan(self) -> Plan:
        """The largest part's, which says what all of them have in common too."""
        return self.parts[-1].plan

    def cut(self, array: Array | None, *index: slice) -> Array | None:
        """array[index], or the array itself if the chunk is all of the pass."""
        return array if self.whole or array is None else array[index]


@lru_cache(maxsize=1024)
def chunks(plan: Plan, maps: Literal["C", "F"], limit: float = inf, keeps: bool = False) -> tuple[Chunk, ...]:
    """The chunks of a pass, none of which asks the arena for more than `limit` bytes.

    maps   which are cut: "F", the output's, in updateOutput; "C", the input's, in the backward passes
    keeps  whether the spectra of a whole pass are kept
    One chunk of one part, with the plan itself, if that fits. Sizes along an axis differ by one at most, so that there
    are few plans, the same ones at every call. Raises LimitError if one sample and one map do not fit.
    """
    columns = range(1, (plan.x.N // 2 + 1 if plan.kind == "cpu" else 1) + 1)
    sizes = (_counts(plan.S), _counts(getattr(plan, maps)), columns)
    counts = sorted(pairs(*sizes), key=_cost(plan, maps))
    for allowed in (limit,) if keeps else (min(limit, ENOUGH[plan.kind]), limit):
        for cut in counts:
            if _largest(plan, maps, *cut).arena_bytes <= allowed:
                return _chunks(plan, maps, *cut)
    needed = _largest(plan, maps, *map(max, sizes)).arena_bytes
    raise LimitError(f"one sample and one map need {needed} bytes of the arena, arena.limit_bytes allows {limit}")


def _chunks(plan: Plan, maps: str, n: int, m: int, ranges: int) -> tuple[Chunk, ...]:
    columns = _columns(plan, ranges)
    return tuple(
        Chunk(
            samples,
            tuple(Part(of, _part(plan, _size(samples), maps, _size(of), kx)) for of in split(getattr(plan, maps), m)),
            n * m * ranges == 1,
            kx is columns[0],
            kx is columns[-1],
        )
        for samples, kx in pairs(split(plan.S, n), columns)
    )


def _cost(plan: Plan, maps: str) -> Callable[[tuple[int, int, int]], tuple[float, int]]:
    """What a cut (n, m, ranges) costs, in operations; of equals the fewest parts."""
    moving, size = MOVING[plan.kind], getattr(plan, maps)
    of_w = plan.transform_operations("w") + moving * prod(plan.spectrum_shape("w"))
    of_products, of_planes = plan.product_operations, moving / 2 * plan.points

    def cost(cut: tuple[int, int, int]) -> tuple[float, int]:
        n, m, ranges = cut
        narrow = 1 + (NARROW * n / plan.S) ** 2 + (NARROW * m / size) ** 2
        return n * of_w + narrow * of_products + ranges * of_planes, n * m * ranges

    return cost


def _largest(plan: Plan, maps: str, n: int, m: int, ranges: int) -> Plan:
    """The plan of the largest of n x m x ranges parts."""
    kx = max(_columns(plan, ranges), key=lambda kx: _part(plan, 1, maps, 1, kx).Q)
    return _part(plan, ceil(plan.S / n), maps, ceil(getattr(plan, maps) / m), kx)


def _columns(plan: Plan, ranges: int) -> list[range | None]:
    """All kx in so many ranges; None stands for all of them in one."""
    if ranges == 1:
        return [None]
    return [range(part.start, part.stop) for part in split(plan.x.N // 2 + 1, ranges)]


@lru_cache(maxsize=4096)
def _part(plan: Plan, S: int, maps: str, count: int, kx: range | None) -> Plan:
    whole = (S, count, kx) == (plan.S, getattr(plan, maps), None)
    return plan if whole else replace(plan, S=S, kx=kx, **{maps: count})


def _counts(n: int) -> list[int]:
    """Into how many parts n things can be cut: of the counts with one size of the largest part, the lowest."""
    return sorted({ceil(n / size) for size in range(1, n + 1)})


def _size(part: slice) -> int:
    return part.stop - part.start
