"""Chunks: a pass that needs more than the arena's limit is cut along the minibatch and the output maps.

    updateOutput       y[samples, maps]  = what x[samples] and w[maps] give
    updateGradInput    gx[samples]       = what gy[samples, maps] and w[maps] give, summed over the chunks of maps
    accGradParameters  gw[maps]          = what gy[samples, maps] and x[samples] give, summed over those of samples

Each chunk is a convolution with a plan of its own, of the same transform lengths and tiles. With n chunks of samples
times m of maps, planes of x are transformed m times and those of w n times, whichever the pass; products and planes
of y cost what they did. So the cheapest n and m are known beforehand, and the order is fixed: the same bits each time.
"""

from dataclasses import replace
from functools import lru_cache
from itertools import product as pairs
from math import ceil
from typing import NamedTuple

from tinyfft.backend import Array
from tinyfft.fourier.arena import LimitError
from tinyfft.fourier.plan import Plan


class Chunk(NamedTuple):
    """A part of a pass: samples of x, maps of w, both of y, and the plan for that many."""

    samples: slice
    maps: slice
    plan: Plan
    whole: bool  # whether it is all of the pass

    def cut(self, array: Array | None, *axes: str) -> Array | None:
        """The part of an array whose first axes are "samples" or "maps"; the array itself if that is all of it."""
        return array if self.whole or array is None else array[tuple(getattr(self, axis) for axis in axes)]


@lru_cache(maxsize=1024)
def chunks(plan: Plan, limit: float) -> tuple[Chunk, ...]:
    """The chunks of a pass, none of which asks the arena for more than `limit` bytes; samples outside, maps inside.

    One chunk, with the plan itself, if that fits. Sizes along an axis differ by one at most, so that there are at most
    four plans, the same ones at every call. Raises LimitError if one sample and one map do not fit.
    """
    of_x, of_w = plan.transform_operations("x"), plan.transform_operations("w")
    counts = pairs(_counts(plan.S), _counts(plan.F))
    for n, m in sorted(counts, key=lambda count: (count[1] * of_x + count[0] * of_w, count[0] * count[1])):
        samples, maps = _slices(plan.S, n), _slices(plan.F, m)
        plans = {sizes: _part(plan, *sizes) for sizes in pairs({*map(_size, samples)}, {*map(_size, maps)})}
        if all(part.arena_bytes <= limit for part in plans.values()):
            return tuple(Chunk(s, f, plans[_size(s), _size(f)], n * m == 1) for s, f in pairs(samples, maps))
    needed = _part(plan, 1, 1).arena_bytes
    raise LimitError(
        f"one sample and one output map need {needed} bytes of the arena, arena.limit_bytes allows {limit}"
    )


def _part(plan: Plan, S: int, F: int) -> Plan:
    return plan if (S, F) == (plan.S, plan.F) else replace(plan, S=S, F=F)


def _counts(n: int) -> list[int]:
    """Into how many parts n things can be cut: of the counts with one size of the largest part, the lowest."""
    return sorted({ceil(n / size) for size in range(1, n + 1)})


def _slices(n: int, count: int) -> list[slice]:
    """n things in `count` parts, as equal as can be."""
    return [slice(i * n // count, (i + 1) * n // count) for i in range(count)]


def _size(part: slice) -> int:
    return part.stop - part.start
