"""What a convolution through the Fourier domain will do: its two axes, its bytes and its operations.

Each of the s * s phases of stride s has transforms of 1 / s^2 the points, and so 1 / s^2 of the stride-1 product. Their
sum is not smaller, since the phases are disjoint inputs that must all be multiplied, except for phases without taps
(k < s). Direct convolution does get cheaper by s^2; a plan counts both.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product as pairs
from math import ceil, prod
from typing import Any

import numpy as np

from tinyfft.arena import ALIGNMENT, aligned
from tinyfft.backend import Device
from tinyfft.fourier.axis import Axis, AxisPlan, Window, candidates
from tinyfft.fourier.frequencies import KARATSUBA_TERMS, Frequencies
from tinyfft.fourier.lengths import fft_operations

CACHE_BYTES, SCRATCH_BYTES = 1 << 22, 1 << 24
"""Limits for the planes that all threads of a CPU transform at the same time: half transformed they take at most
CACHE_BYTES, so that they stay in the caches, and with all their scratch at most SCRATCH_BYTES."""

MIN_MAPS_PER_TILE, MIN_POINTS_PER_TILE = 32, 600
"""From this many maps and points of a transform on, a CPU's thread transforms the tiles of one sample at a time."""

TILING_OVERHEAD = 1.25
"""Tiles are many short transforms and sums instead of a few long ones; they must save more than this factor."""

CANDIDATES, MAX_COST_RATIO = 3, 1.15
"""At most this many plans are worth timing, none of which costs more than this many times the cheapest one."""

MAX_LENGTH_IN_99_KIB = 100
"""The longest transform to plan for on a GPU with bf16, whose blocks hold at least two planes, and with fp64, whose
numbers take twice the memory: many GPUs have 99 KiB of shared memory."""

BF16_BLOCK = 32
"""Numbers of bf16 that lie together, their real parts, then their imaginary ones (bf16_blocks.cuh)."""

OPS_PER_NUMBER_MOVED = {"cpu": 200, "cuda": 0}
"""Cost of writing and reading one number of a spectrum, in operations of a matrix product."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A convolution of S samples, C input and F output maps: everything that is decided before any arithmetic.

    A plan equals only itself: it is looked up at every training step, and hashing its values would take longer than
    launching a kernel. For the same reason it caches what it has computed. `plan_convolutions` returns the same plans
    for the same arguments.
    """

    S: int
    C: int
    F: int
    y: AxisPlan
    x: AxisPlan
    itemsize: int = 4
    kind: str = "cpu"  # of the device
    precision: str = "fp32"  # of the products
    kx: range | None = None  # the columns of the half spectrum that are computed, on the CPU; None: all

    @cached_property
    def lengths(self) -> tuple[int, int]:
        """(Ny, Nx), the transform lengths."""
        return self.y.N, self.x.N

    @cached_property
    def tiles(self) -> int:
        return self.y.tiles * self.x.tiles

    @cached_property
    def phases(self) -> int:
        return self.y.phases * self.x.phases

    @cached_property
    def Q(self) -> int:
        """The number of stored frequencies."""
        return self.frequencies.Q

    @cached_property
    def frequencies(self) -> Frequencies:
        """The stored frequencies, for the CPU's transforms."""
        return Frequencies(*self.lengths, range(self.x.N // 2 + 1) if self.kx is None else self.kx)

    def plane_shape(self, name: str) -> tuple[int, int]:
        """Rows and columns of the planes of "x", "w" or "y"."""
        y, x = self.y.axis, self.x.axis
        return {"x": (y.size, x.size), "w": (y.kernel, x.kernel), "y": (y.out, x.out)}[name]

    @cached_property
    def output_shape(self) -> tuple[int, int, int, int]:
        """(S, F, oH, oW)."""
        return self.S, self.F, self.y.axis.out, self.x.axis.out

    @cached_property
    def covers(self) -> bool:
        """Whether each pixel of the input is read exactly once; else gradInput has zeros, or sums of tiles."""
        return self.y.covers and self.x.covers

    def windows(self, name: str) -> tuple[Window, Window]:
        """The windows of "x", "w" or "y" on both axes."""
        return self.y.windows[name], self.x.windows[name]

    def cells(self, name: str) -> int:
        """Tiles times phases of "x", "w" or "y"."""
        rows, columns = self.windows(name)
        return rows.tiles * columns.tiles * rows.phases * columns.phases

    @cached_property
    def bf16(self) -> bool:
        """Whether real and imaginary parts take two bytes each."""
        return self.precision == "bf16" and self.itemsize == 4

    def padded_shape(self, name: str) -> tuple[int, int]:
        """Samples and maps of x_hat, w_hat or y_hat: with bf16 maps fill whole BF16_BLOCKs."""
        return self._padded_shapes[name]

    @cached_property
    def _padded_shapes(self) -> dict[str, tuple[int, int]]:
        C, F = (ceil(maps / BF16_BLOCK) * BF16_BLOCK if self.bf16 else maps for maps in (self.C, self.F))
        return {"x": (self.S, C), "w": (F, C), "y": (self.S, F)}

    def spectrum_shape(self, name: str) -> tuple[int, ...]:
        """Shape of x_hat, w_hat or y_hat: (Q, samples, maps); on the CPU (3 Q, ...)."""
        return self._spectrum_shapes[name]

    @cached_property
    def _spectrum_shapes(self) -> dict[str, tuple[int, ...]]:
        Q = KARATSUBA_TERMS * self.Q if self.kind == "cpu" else self.Q
        tiles, phases = {"x": self.tiles, "w": 1, "y": self.tiles}, {"x": self.phases, "w": self.phases, "y": 1}
        return {name: (Q, A * tiles[name], B * phases[name]) for name, (A, B) in self._padded_shapes.items()}

    @cached_property
    def spectrum_dtype(self) -> np.dtype:
        """The dtype of the spectra; bf16 pairs are stored as raw uint32 (bf16_blocks.cuh)."""
        if self.kind == "cpu":
            return np.dtype(f"float{8 * self.itemsize}")
        return np.dtype("uint32" if self.bf16 else f"complex{16 * self.itemsize}")

    def spectrum_bytes(self, name: str) -> int:
        """Bytes of x_hat, w_hat or y_hat."""
        return prod(self.spectrum_shape(name)) * self.spectrum_dtype.itemsize

    @property
    def spectra_bytes(self) -> int:
        """Bytes of the three spectra, which every pass holds at once: 2 itemsize Q (S T C P + F C P + S T F), where
        a number is three reals (on the CPU) half as much again, with bf16 half of it, of maps in whole bf16 blocks."""
        return sum(map(self.spectrum_bytes, "xwy"))

    @cached_property
    def arena_bytes(self) -> int:
        """Bytes that a pass asks of the arena: the spectra, and on the CPU scratch for transforms."""
        spectra = sum(aligned(self.spectrum_bytes(name)) for name in "xwy")
        if self.kind == "cuda":
            return spectra
        arrays = {"x": (self.S, self.C), "w": (self.F, self.C), "y": (self.S, self.F)}
        # the planes of all samples may be transformed as one sample's (cpu/blocks.py)
        together = ((name, A * B, 1) for name, (A, B) in arrays.items())
        apart = ((name, A, B) for name, (A, B) in arrays.items())
        scratch = max(
            self.samples_at_once(name, A, B) * B * self.plane_scratch(name, B) for name, A, B in (*apart, *together)
        )
        return spectra + aligned(scratch * self.itemsize) + ALIGNMENT

    def samples_at_once(self, name: str, samples: int, maps: int) -> int:
        """How many of `samples`, each with `maps` planes of "x", "w" or "y", are transformed at the same time: as many
        as fit the caches, at least one."""
        halfway = 2 * len(self.frequencies.kx) * self.windows(name)[0].length
        planes = min(CACHE_BYTES // halfway, SCRATCH_BYTES // self.plane_scratch(name, maps)) // self.itemsize
        return min(samples, max(1, planes // maps))

    def one_sample_at_a_time(self, name: str, maps: int) -> bool:
        """Whether each thread transforms the tiles of one sample at a time. Its planes lie side by side in the spectrum
        and need no copy, which pays where products are wide and long enough."""
        points = self.y.N * self.x.N
        return self.cells(name) > 1 and maps >= MIN_MAPS_PER_TILE and points >= MIN_POINTS_PER_TILE

    def plane_scratch(self, name: str, maps: int) -> int:
        """Numbers of scratch for a plane of "x", "w" or "y", one of `maps`: its mask, its points, the plane half
        transformed and, where it needs a copy, its spectrum."""
        h, w = (window.length for window in self.windows(name))
        copied = self.cells(name) > 1 and not self.one_sample_at_a_time(name, maps)
        spectrum = KARATSUBA_TERMS * self.Q if copied else 0
        return 2 * h * w + 2 * len(self.frequencies.kx) * h + spectrum

    @property
    def paper_bytes(self) -> int:
        """The paper's figure, 4 n (n + 1) (S f + S f' + f f') in float32, for this plan's n x n = Ny x Nx."""
        n_squared = self.x.N * (self.y.N + 1)
        samples, maps = self.S * self.tiles, self.C * self.phases
        return self.itemsize * n_squared * (samples * maps + samples * self.F + maps * self.F)

    def transform_operations(self, name: str) -> float:
        """Real operations of transforming all planes of "x", "w" or "y", once, either way."""
        *_, samples, maps = self.spectrum_shape(name)
        Ny, Nx = self.lengths
        if self.kind == "cpu":  # of the matrix products: first 2 half x w for each row, then 3 ky x 2 h for each kx
            h, w = (window.length for window in self.windows(name))
            return samples * maps * (4 * (Nx // 2 + 1) * w * h + 12 * self.Q * h)
        columns = Nx * fft_operations(Ny) / 2  # a real line costs half a complex one
        rows = (Ny // 2 + 1) * fft_operations(Nx)
        return samples * maps * (columns + rows)

    @property
    def product_operations(self) -> int:
        """Real operations of one pass's products: 8 a complex multiplication and addition, 6 as three real ones."""
        return (6 if self.kind == "cpu" else 8) * self.Q * self.S * self.tiles * self.C * self.phases * self.F

    @property
    def pass_operations(self) -> float:
        """Real operations of one pass with its three transforms; the three passes differ only in their order."""
        return sum(self.transform_operations(name) for name in "xwy") + self.product_operations

    @property
    def points(self) -> int:
        """Numbers of x, w and y in space."""
        sizes = {"x": (self.S, self.C), "w": (self.F, self.C), "y": (self.S, self.F)}
        return sum(prod(sizes[name]) * prod(window.size for window in self.windows(name)) for name in sizes)

    @property
    def cost(self) -> float:
        """What plans are compared by: the operations of a pass, and of moving its numbers in memory."""
        numbers = sum(prod(self.spectrum_shape(name)) for name in "xwy")
        return (self.pass_operations + OPS_PER_NUMBER_MOVED[self.kind] * numbers) * (
            1 if self.tiles == 1 else TILING_OVERHEAD
        )

    @property
    def direct_operations(self) -> int:
        """Real operations of one pass of the direct method: 2 S F oH oW C kH kW."""
        taps = self.y.axis.kernel * self.x.axis.kernel
        return 2 * self.S * self.F * self.y.axis.out * self.x.axis.out * self.C * taps


@lru_cache(maxsize=1024)
def plan_convolutions(
    S: int,
    C: int,
    F: int,
    y: Axis,
    x: Axis,
    itemsize: int = 4,
    tile: int | None = None,
    kind: str = "cpu",
    precision: str = "fp32",
) -> tuple[Plan, ...]:
    """The plan that costs least, and others that may be faster, since costs are estimates; `tile` forces tiles of that
    many output rows and columns.

    None costs more than MAX_COST_RATIO times the first. The second has the fewest tiles, each of which takes time that
    costs do not know; the third costs least of the rest. No two are alike on an axis, and there are CANDIDATES at most.
    """
    choices = (candidates(axis, tile, kind) for axis in (y, x))
    plans = [Plan(S, C, F, of_y, of_x, itemsize, kind, precision) for of_y, of_x in pairs(*choices)]
    if kind == "cuda" and (itemsize == 8 or plans[0].bf16):
        plans = [plan for plan in plans if max(plan.lengths) <= MAX_LENGTH_IN_99_KIB] or plans
    least = min(plan.cost for plan in plans)
    close = sorted((plan for plan in plans if plan.cost <= MAX_COST_RATIO * least), key=lambda plan: plan.cost)
    found: list[Plan] = []
    while close and len(found) < CANDIDATES:
        plan = min(close, key=lambda plan: plan.tiles) if len(found) == 1 else close[0]
        found.append(plan)
        close = [other for other in close if other.y != plan.y and other.x != plan.x]
    return tuple(found)


def plans_for(device: Device, *sizes: Any, precision: str) -> tuple[Plan, ...]:
    """Return `plan_convolutions` for a device; `sizes` are S, C, F, y, x, itemsize and tile."""
    return plan_convolutions(*sizes, device.kind, precision)


def plan_convolution(*arguments, **named) -> Plan:
    """Return the plan of least cost; it takes the arguments of `plan_convolutions`."""
    return plan_convolutions(*arguments, **named)[0]
