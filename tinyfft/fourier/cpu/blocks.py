"""Cache blocking: how the CPU goes through planes, in threads, a cacheful at a time, tile by tile.

Each thread has samples of its own and goes through their tiles in one fixed order. Tiles that overlap are therefore
added in that order, however many threads there are.
"""

from collections.abc import Callable
from itertools import product as pairs
from typing import NamedTuple

from tinyfft.arena import Arena
from tinyfft.backend import Array
from tinyfft.cpu import threads
from tinyfft.fourier.axis import Window
from tinyfft.fourier.cpu.matrix_dft import Scratch
from tinyfft.fourier.plan import Plan


class Tile(NamedTuple):
    """One tile and phase of both axes (axis.py)."""

    index: tuple[int, int, int, int]  # (tile of rows, tile of columns, phase of rows, phase of columns)
    pixels: tuple[slice, slice]  # of a plane; empty if the window lies outside
    points: tuple[range, range]  # of the lines of the transform; empty likewise


def tiles(windows: tuple[Window, Window]) -> list[Tile]:
    """Return all tiles in their order."""
    rows, columns = windows
    found = []
    for index in pairs(*map(range, (rows.tiles, columns.tiles, rows.phases, columns.phases))):
        cuts = (rows.cut(index[0], index[2]), columns.cut(index[1], index[3]))
        found.append(Tile(index, *zip(*cuts, strict=True)))
    return found


def as_single_maps(plan: Plan, name: str, *arrays: Array | None) -> list[Array | None]:
    """Return arrays of planes (A, B, h, w) as (A B, 1, h, w), so that a block may hold any number of maps.

    That needs planes that follow each other in the spectrum as well. Where there are tiles or phases, or the arrays are
    some maps of a larger array, they are returned as they are.
    """
    consecutive = plan.cells(name) == 1 and all(a is None or a.flags.c_contiguous for a in arrays)
    return [a if a is None or not consecutive else a.reshape(-1, 1, *a.shape[2:]) for a in arrays]


def for_each_block(planes: Array, plan: Plan, name: str, arena: Arena, work: Callable[[slice, Scratch], None]) -> None:
    """Call work(samples, scratch) for all samples of `planes` (A, B, h, w), the plan's "x", "w" or "y"."""
    A, B = planes.shape[:2]
    at_once = plan.samples_at_once(name, A, B)
    parts = min(threads.count(), at_once)
    share = 1 if plan.one_sample_at_a_time(name, B) else at_once // parts
    with arena.frame(0):
        memory = list(arena.take((parts, share * B * plan.plane_scratch(name, B)), planes.dtype))

        def do(part: slice) -> None:
            scratch = Scratch(memory.pop())
            for first in range(part.start, part.stop, share):
                work(slice(first, min(first + share, part.stop)), scratch)

        threads.run(A, do, most=parts)


def merge_axes(array: Array, axis: int) -> Array | None:
    """Return a view of `array` with axes axis - 1 and axis as one; None if no view has its last axis contiguous."""
    n, m = array.shape[axis - 1 : axis + 1]
    mergeable = n == 1 or array.strides[axis - 1] == m * array.strides[axis]
    contiguous = array.shape[-1] == 1 or array.strides[-1] == array.itemsize
    if not (mergeable and contiguous):
        return None
    return array.reshape(*array.shape[: axis - 1], n * m, *array.shape[axis + 1 :])
