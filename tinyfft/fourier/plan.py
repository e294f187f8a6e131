"""What a convolution through the Fourier domain will do: transform lengths, tiles, phases, bytes, operations.

One axis. An input of `size` rows, padded, meets a kernel of k rows with stride s. With p rows of padding before,
base = p // s and lead = p mod s, phase r (0 <= r < s) holds the rows  row(j) = s j + r - lead  of the input and
the taps s a + r of the kernel, and

    y[o] = sum_r sum_a x_r[o + a - base] w_r[a]          0 <= a < taps = ceil(k / s)

a sum of stride-1 correlations. Phases without taps are left out. On a circle of N points all three passes are exact
if neither the zeros before the input nor those after it are fewer than what the kernel reaches:

    N >= max(L + base, oH + taps - 1 - base, oH, taps)   L rows a phase; s = 1, equal padding: max(H + p, k, oH)

The left and the right padding share one gap of zeros. Where that N is long, the output is cut into tiles of t rows,
each a circle of N >= t + taps - 1 points of its own (overlap-save forward, overlap-add for gradInput).

Operations. The s * s phases of stride s have transforms of 1 / s^2 the points each, so that every phase costs 1 / s^2
of the stride-1 product. Their sum does not: the phases are disjoint inputs and each must be multiplied. It falls only
where phases have no taps (k < s). Direct convolution does fall with s^2, and `Plan` counts both.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product as pairs
from math import ceil, prod

from tinyfft.fourier import frequencies
from tinyfft.fourier.arena import ALIGNMENT, aligned

RADIX_OPERATIONS = {2: 5.0, 3: 9.4, 5: 13.6, 7: 17.7}
"""Real operations a point of one butterfly stage: additions and multiplications of the short DFT, and twiddles."""


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

    Point n < `length` of the line of tile t and phase r is row  stride (start + t step + n) + r - lead  of the plane;
    rows outside 0 <= row < size are zeros, nowhere stored. Going back, row n is read at point (n + shift) mod N.
    """

    size: int
    length: int
    start: int = 0
    step: int = 0
    tiles: int = 1
    stride: int = 1
    phases: int = 1
    lead: int = 0
    shift: int = 0

    def cuts(self, tile: int, phase: int) -> list[tuple[slice, slice]]:
        """(rows of the plane, points of the line) that belong together: one pair, or none if all lie outside."""
        first = self.stride * (self.start + tile * self.step) + phase - self.lead
        begin = max(0, -(first // self.stride))
        end = min(self.length, ceil((self.size - first) / self.stride))
        if begin >= end:
            return []
        rows = slice(first + self.stride * begin, first + self.stride * (end - 1) + 1, self.stride)
        return [(rows, slice(begin, end))]


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
        grid = {"step": self.tile, "tiles": self.tiles}
        return {
            "x": Window(read, self.tile + taps - 1, start=-base, lead=lead, **common, **grid),
            "w": Window(a.kernel, taps, **common),
            "y": Window(a.out, self.tile, **grid),
        }


@dataclass(frozen=True, eq=False)
class Plan:
    """One convolution of S samples, C input and F output maps: everything that is decided before any arithmetic.

    A plan is equal to itself alone: it is looked up at every step of training, and to hash its values takes longer than
    to launch a kernel. `plan_convolution` gives the same plan for the same arguments.
    """

    S: int
    C: int
    F: int
    y: AxisPlan
    x: AxisPlan
    itemsize: int = 4
    kind: str = "cpu"  # of the device, which says how planes are transformed

    @property
    def lengths(self) -> tuple[int, int]:
        """(Ny, Nx), the transform lengths."""
        return self.y.N, self.x.N

    @property
    def tiles(self) -> int:
        return self.y.tiles * self.x.tiles

    @property
    def phases(self) -> int:
        return self.y.phases * self.x.phases

    @property
    def Q(self) -> int:
        """Stored frequencies."""
        return frequencies.independent(self.y.N, self.x.N)

    @property
    def covers(self) -> bool:
        return self.y.covers and self.x.covers

    def windows(self, name: str) -> tuple[Window, Window]:
        """The windows of "x", "w" or "y" on both axes."""
        return self.y.windows[name], self.x.windows[name]

    def spectrum_shape(self, name: str) -> tuple[int, int, int]:
        """Shape of x_hat, w_hat or y_hat."""
        samples, maps = self.S * self.tiles, self.C * self.phases
        return {"x": (self.Q, samples, maps), "w": (self.Q, self.F, maps), "y": (self.Q, samples, self.F)}[name]

    @property
    def complex_dtype(self) -> str:
        """The dtype of the spectra."""
        return f"complex{16 * self.itemsize}"

    @property
    def spectra_bytes(self) -> int:
        """Bytes of the three spectra, which every pass holds at once: 2 itemsize Q (S T C P + F C P + S T F)."""
        return sum(2 * self.itemsize * prod(self.spectrum_shape(name)) for name in "xwy")

    @property
    def arena_bytes(self) -> int:
        """Bytes that a pass asks of the arena: the spectra, and on the CPU scratch for planes that are transformed."""
        spectra = sum(aligned(2 * self.itemsize * prod(self.spectrum_shape(name))) for name in "xwy")
        if self.kind == "cuda":
            return spectra
        scratch = max(self.planes_at_once(maps) * maps for maps in (self.C, self.F)) * self._plane_scratch
        return spectra + aligned(scratch) + 4 * ALIGNMENT  # scratch is taken as up to four arrays, each aligned

    def planes_at_once(self, maps: int) -> int:
        """Samples whose planes of `maps` maps are transformed together: a cacheful, at least one."""
        return max(1, SCRATCH_BYTES // (maps * self._plane_scratch))

    @property
    def _plane_scratch(self) -> int:
        """Bytes of one plane on its way: as points, with one axis transformed, and as parts of its spectrum."""
        Ny, Nx = self.lengths
        return self.itemsize * (3 * Ny + 4 * (Ny // 2 + 1)) * Nx

    @property
    def paper_bytes(self) -> int:
        """The paper's figure, 4 n (n + 1) (S f + S f' + f f') in float32, for this plan's n x n = Ny x Nx."""
        n_squared = self.x.N * (self.y.N + 1)
        samples, maps = self.S * self.tiles, self.C * self.phases
        return self.itemsize * n_squared * (samples * maps + samples * self.F + maps * self.F)

    def transform_operations(self, name: str) -> float:
        """Real operations of transforming all planes of "x", "w" or "y", once, either way."""
        _, samples, maps = self.spectrum_shape(name)
        Ny, Nx = self.lengths
        columns = Nx * _fft_operations(Ny) / 2  # a real line costs half a complex one
        rows = (Ny // 2 + 1) * _fft_operations(Nx)
        return samples * maps * (columns + rows)

    @property
    def product_operations(self) -> int:
        """Real operations of one pass's products: 8 a complex multiplication and addition."""
        return 8 * self.Q * self.S * self.tiles * self.C * self.phases * self.F

    @property
    def pass_operations(self) -> float:
        """Real operations of one pass with its three transforms; the three passes differ only in their order."""
        return sum(self.transform_operations(name) for name in "xwy") + self.product_operations

    @property
    def direct_operations(self) -> int:
        """Real operations of one pass of the direct method: 2 S F oH oW C kH kW."""
        taps = self.y.axis.kernel * self.x.axis.kernel
        return 2 * self.S * self.F * self.y.axis.out * self.x.axis.out * self.C * taps


SCRATCH_BYTES = 1 << 22
"""Scratch for planes that are transformed together on the CPU: 4 MiB stay in its caches."""

LONGEST = {"cpu": 1 << 16, "cuda": 128}
"""The longest transform to plan for: on a GPU a line must fit into a thread's registers, a plane into shared memory."""

TILING_OVERHEAD = 1.25
"""Tiles are many short transforms and sums in place of a few long ones; they must save more than this factor."""


@lru_cache(maxsize=1024)
def plan_convolution(
    S: int, C: int, F: int, y: Axis, x: Axis, itemsize: int = 4, tile: int | None = None, kind: str = "cpu"
) -> Plan:
    """The plan with the fewest operations a pass; `tile` forces tiles of that many output rows and columns."""
    choices = (candidates(axis, tile, LONGEST[kind]) for axis in (y, x))
    plans = [Plan(S, C, F, of_y, of_x, itemsize, kind) for of_y, of_x in pairs(*choices)]
    return min(plans, key=lambda plan: plan.pass_operations * (1 if plan.tiles == 1 else TILING_OVERHEAD))


def candidates(axis: Axis, tile: int | None = None, longest: int = 1 << 16, most: int = 8) -> list[AxisPlan]:
    """Ways to cut an axis: whole, or tiled by each fast length, the `most` that transform the fewest points.

    Lengths beyond `longest` are left out, unless nothing shorter holds the kernel.
    """
    taps = _taps(axis)
    if tile is not None:
        return [AxisPlan(axis, next_fast_length(tile + taps - 1), tile)]
    base = axis.before // axis.stride
    whole = next_fast_length(max(_phase_rows(axis) + base, axis.out + taps - 1 - base, axis.out, taps))
    lengths = [N for N in range(taps, min(whole, longest + 1)) if is_fast(N)]
    tiled = [AxisPlan(axis, N, N - taps + 1) for N in lengths if N - taps + 1 < axis.out]
    tiled.sort(key=lambda plan: plan.tiles * _fft_operations(plan.N))
    found = [AxisPlan(axis, whole), *tiled[:most]]
    return [plan for plan in found if longest >= plan.N] or [AxisPlan(axis, whole)]


def factorise(N: int) -> list[int]:
    """The prime factors of N that are 2, 3, 5 or 7, in ascending order; their product is N only for a fast length."""
    factors = []
    for prime in (2, 3, 5, 7):
        while N % prime == 0:
            factors.append(prime)
            N //= prime
    return factors


def is_fast(N: int) -> bool:
    """Whether N is a product of 2, 3, 5 and 7 alone."""
    return prod(factorise(N)) == N


def next_fast_length(N: int) -> int:
    """The smallest product of 2, 3, 5 and 7 that is at least N."""
    while not is_fast(N):
        N += 1
    return N


def _fft_operations(N: int) -> float:
    return N * sum(RADIX_OPERATIONS[prime] for prime in factorise(N))


def _taps(axis: Axis) -> int:
    return ceil(axis.kernel / axis.stride)


def _rows_read(axis: Axis) -> int:
    """Rows up to the last that any tap reads; a stride may leave the end of the input unread."""
    return max(0, min(axis.size, (axis.out - 1) * axis.stride + axis.kernel - axis.before))


def _phase_rows(axis: Axis) -> int:
    """L: rows of the longest phase; at least one, so that a line is never empty."""
    return max(1, ceil((_rows_read(axis) + axis.before % axis.stride) / axis.stride))
