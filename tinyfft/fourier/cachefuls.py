"""How the CPU goes through planes: in threads, a cacheful at a time, one cell after the other.

A cell is one tile and one phase of both axes (axis.py). Each thread has samples of its own and goes through their cells
in one fixed order, so that tiles which overlap are added in that order, however many threads there are.
"""

from collections.abc import Callable
from itertools import product as pairs
from typing import NamedTuple

from tinyfft import parallel
from tinyfft.backend import Array
from tinyfft.fourier.arena import Arena
from tinyfft.fourier.axis import Window
from tinyfft.fourier.matrix_dft import Room
from tinyfft.fourier.plan import Plan


class Cell(NamedTuple):
    """Where one window lies: its (tile, tile, phase, phase), the pixels of a plane, and the points of the lines."""

    index: tuple[int, int, int, int]
    pixels: tuple[slice, slice]
    points: tuple[range, range]


def cells(windows: tuple[Window, Window]) -> list[Cell]:
    """All cells in their order; pixels and points are empty where a window lies outside of its plane."""
    rows, columns = windows
    found = []
    for index in pairs(*map(range, (rows.tiles, columns.tiles, rows.phases, columns.phases))):
        cuts = (rows.cut(index[0], index[2]), columns.cut(index[1], index[3]))
        found.append(Cell(index, *zip(*cuts, strict=True)))
    return found


def in_lines(plan: Plan, name: str, *arrays: Array | None) -> list[Array | None]:
    """Arrays of planes (A, B, h, w) as (A B, 1, h, w), if planes that follow each other there do in spectra too.

    So one sample may have any number of maps. Tiles and phases lie between the samples and maps of a spectrum, and the
    planes of some maps alone do not follow each other: these arrays are returned as they are.
    """
    together = plan.cells(name) == 1 and all(a is None or a.flags.c_contiguous for a in arrays)
    return [a if a is None or not together else a.reshape(-1, 1, *a.shape[2:]) for a in arrays]


def each(planes: Array, plan: Plan, name: str, arena: Arena, work: Callable[[slice, Room], None]) -> None:
    """Call work(samples, room) for all samples of `planes` (A, B, h, w), the plan's "x", "w" or "y"."""
    A, B = planes.shape[:2]
    at_once = plan.samples_at_once(name, A, B)
    parts = min(parallel.threads(), at_once)
    share = 1 if plan.alone(name, B) else at_once // parts
    with arena.frame(0):
        rooms = list(arena.take((parts, share * B * plan.plane_scratch(name, B)), planes.dtype))

        def do(part: slice) -> None:
            room = Room(rooms.pop())
            for first in range(part.start, part.stop, share):
                work(slice(first, min(first + share, part.stop)), room)

        parallel.run(A, do, most=parts)


def joined(array: Array, unit: int) -> Array | None:
    """The view of `array` with axes unit - 1 and unit as one, or None if there is no such view whose last axis is
    contiguous."""
    n, m = array.shape[unit - 1 : unit + 1]
    one = n == 1 or array.strides[unit - 1] == m * array.strides[unit]
    last = array.shape[-1] == 1 or array.strides[-1] == array.itemsize
    return array.reshape(*array.shape[: unit - 1], n * m, *array.shape[unit + 1 :]) if one and last else None
