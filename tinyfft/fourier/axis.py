"""One axis of a convolution, and how to cut it into transforms: as a whole, in tiles, by the phases of a stride.

An input of `size` rows, padded, meets a kernel of k rows with stride s. With p rows of padding before,
base = p // s and lead = p mod s, phase r (0 <= r < s) holds the rows  row(j) = s j + r - lead  of the input and
the taps s a + r of the kernel, and

    y[o] = sum_r sum_a x_r[o + a - base] w_r[a]          0 <= a < taps = ceil(k / s)

a sum of stride-1 correlations. Phases without taps are left out. On a circle of N points all three passes are exact
if the zeros before and after the input are at least as many as the kernel reaches:

    N >= max(L + base, oH + taps - 1 - base, oH, taps)   L rows a phase; s = 1, equal padding: max(H + p, k, oH)

The left and the right padding share one gap of zeros. Where that N is long, the output is cut into tiles of t rows,
each a circle of N >= t + taps - 1 points of its own (overlap-save forward, overlap-add for gradInput).
"""

from dataclasses import dataclass
from functools import cached_property
from math import ceil

from tinyfft.fourier.lengths import fft_operations, is_fast, next_fast_length

MAX_LENGTH = {"cpu": 1 << 16, "cuda": 128}
"""The longest transform: on a GPU a line must fit into a thread's registers, a plane into shared memory."""

MAX_TILINGS = {"cpu": 16, "cuda": 8}
"""Tilings of an axis to choose from."""


@dataclass(frozen=True)
class Axis:
    """One axis of a convolution: `size` of the input, kernel, stride, padding `before` and `after`."""

    size: int
    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0

    @property
    def out(self) -> int:
        """Rows of the output (less than 1 if the kernel is larger than the padded input)."""
        return (self.size + self.before + self.after - self.kernel) // self.stride + 1


@dataclass(frozen=True)
class Window:
    """How the lines of a transform lie on one axis of a plane.

    Point n < `length` of the line of tile t and phase r is row  stride (start + t hop + n) + r - lead  of the plane;
    rows outside 0 <= row < size are zeros that are not stored. The inverse reads row n at point (n + shift) mod N.
    """

    size: int
    length: int
    start: int = 0
    hop: int = 0
    tiles: int = 1
    stride: int = 1
    phases: int = 1
    lead: int = 0
    shift: int = 0

    def cut(self, tile: int, phase: int) -> tuple[slice, range]:
        """Return (rows of the plane, the points of the line that they are); both are empty if all rows lie outside."""
        first = self.stride * (self.start + tile * self.hop) + phase - self.lead
        begin = max(0, -(first // self.stride))
        end = min(self.length, ceil((self.size - first) / self.stride))
        if begin >= end:
            return slice(0, 0), range(0)
        rows = slice(first + self.stride * begin, first + self.stride * (end - 1) + 1, self.stride)
        return rows, range(begin, end)


@dataclass(frozen=True)
class AxisPlan:
    """One axis cut into transforms of length N: as a whole (`tile` is None) or in tiles of `tile` output rows."""

    axis: Axis
    N: int
    tile: int | None = None

    @property
    def tiles(self) -> int:
        return 1 if self.tile is None else ceil(self.axis.out / self.tile)

    @property
    def phases(self) -> int:
        """Phases that have taps."""
        return min(self.axis.stride, self.axis.kernel)

    @property
    def covers(self) -> bool:
        """Whether each row of the input is read exactly once; else gradInput has zeros, or sums of tiles."""
        return self.tile is None and self.phases == self.axis.stride and _rows_read(self.axis) == self.axis.size

    @cached_property
    def windows(self) -> dict[str, Window]:
        """The windows of the input ("x"), the kernel ("w") and the output ("y")."""
        a, base, taps = self.axis, self.axis.before // self.axis.stride, _taps(self.axis)
        common = {"stride": a.stride, "phases": self.phases}
        read, lead = _rows_read(a), a.before % a.stride
        if self.tile is None:
            back = (self.N - base) % self.N
            return {
                "x": Window(read, _phase_rows(a), shift=base, lead=lead, **common),
                "w": Window(a.kernel, taps, shift=back, **common),
                "y": Window(a.out, a.out, shift=back),
            }
        grid = {"hop": self.tile, "tiles": self.tiles}
        return {
            "x": Window(read, self.tile + taps - 1, start=-base, lead=lead, **common, **grid),
            "w": Window(a.kernel, taps, **common),
            "y": Window(a.out, self.tile, **grid),
        }


def candidates(axis: Axis, tile: int | None = None, kind: str = "cuda") -> list[AxisPlan]:
    """Return plans that cut an axis: whole, and in tiles, at most MAX_TILINGS, the cheapest ones.

    On a GPU lengths are fast ones, for the whole axis the next two, and at most MAX_LENGTH unless the kernel is longer.
    On the CPU transforms are matrix products, so that any length will do.
    """
    taps = _taps(axis)
    length = next_fast_length if kind == "cuda" else int
    if tile is not None:
        return [AxisPlan(axis, length(tile + taps - 1), tile)]
    base = axis.before // axis.stride
    whole = length(max(_phase_rows(axis) + base, axis.out + taps - 1 - base, axis.out, taps))
    tiled = _tiled_fast(axis, whole) if kind == "cuda" else _tiled_evenly(axis, whole)
    longer = [AxisPlan(axis, next_fast_length(whole + 1))] if kind == "cuda" else []
    found = [AxisPlan(axis, whole), *longer, *tiled[: MAX_TILINGS[kind]]]
    return [plan for plan in found if MAX_LENGTH[kind] >= plan.N] or [AxisPlan(axis, whole)]


def _tiled_fast(axis: Axis, whole: int) -> list[AxisPlan]:
    """Return a tiling for each fast length, the fewest operations first."""
    taps = _taps(axis)
    lengths = [N for N in range(taps, min(whole, MAX_LENGTH["cuda"] + 1)) if is_fast(N)]
    tiled = [AxisPlan(axis, N, N - taps + 1) for N in lengths if N - taps + 1 < axis.out]
    return sorted(tiled, key=lambda plan: plan.tiles * fft_operations(plan.N))


def _tiled_evenly(axis: Axis, whole: int) -> list[AxisPlan]:
    """Return tilings of two tiles, three and so on, as equal as possible; a line of N points costs N^2 operations."""
    taps = _taps(axis)
    tiles = {ceil(axis.out / count) for count in range(2, axis.out + 1)}
    tiled = [AxisPlan(axis, tile + taps - 1, tile) for tile in tiles if tile + taps - 1 < whole]
    return sorted(tiled, key=lambda plan: plan.tiles * plan.N**2)


def _taps(axis: Axis) -> int:
    return ceil(axis.kernel / axis.stride)


def _rows_read(axis: Axis) -> int:
    """Return the number of rows up to the last one that a tap reads; a stride may leave the input's end unread."""
    return max(0, min(axis.size, (axis.out - 1) * axis.stride + axis.kernel - axis.before))


def _phase_rows(axis: Axis) -> int:
    """Return L, the rows of the longest phase; at least one, so that no line is empty."""
    return max(1, ceil((_rows_read(axis) + axis.before % axis.stride) / axis.stride))
