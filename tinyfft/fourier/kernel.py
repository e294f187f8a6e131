"""From a plan to a kernel: the sizes and codelets with which spectrum.cu and signal.cu are compiled, and their blocks.

The sources in kernels/ are parametrised; `specialise` derives everything that a compiler and a launch (launch.py) need,
the same for NVRTC on a GPU and for a C++ compiler on a machine without one (the tests').
"""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product as pairs
from math import ceil, log2, prod

from tinyfft.fourier.axis import Window
from tinyfft.fourier.codelets import dft_source
from tinyfft.fourier.plan import Plan
from tinyfft.kernel_source import kernel_source

WARP = 32
REGISTERS, QUARTERS = 1 << 16, 4  # of a multiprocessor
MOST_REGISTERS = 255  # of a thread
MOST_THREADS = 1024
BANKS = 8  # of shared memory, for numbers of 16 bytes
BLOCKS_PLANES_THREADS = (
    (2, 32, MOST_THREADS),
    (2, 16, MOST_THREADS),
    (2, 8, MOST_THREADS),
    (1, 16, MOST_THREADS),
    (1, 8, MOST_THREADS),
    (1, 4, MOST_THREADS),
    (1, 2, MOST_THREADS),
)
"""Blocks a multiprocessor, planes and at most threads a block, the best first: two blocks, of which one computes while
the other waits for memory, and many planes, since a block writes runs of 8 bytes a plane. Powers of two keep a warp on
whole runs."""
BLOCKS_PLANES_THREADS_BF16 = (
    (2, 16, MOST_THREADS),
    (2, 16, 224),
    (1, 16, MOST_THREADS),
    (1, 8, MOST_THREADS),
    (1, 4, MOST_THREADS),
    (1, 2, MOST_THREADS),
)
"""The same for bf16, whose numbers take four bytes: with 8 planes a block writes half sectors of memory, so 16 come
before two blocks; but before a block is alone, its threads take turns at the lines. More planes help only where they do
so anyway: lines cost more than what they write."""
NARROW, MANY, FEW_THREADS = 3, 8192, 160
"""Of a window with so many times fewer pairs of columns than rows of the half spectrum, most threads would wait for the
few lines of one step. If there are so many planes that a GPU is full all the same, its blocks have few threads, which
take turns at the lines of the other step."""


class AxisLayout(ctypes.Structure):
    """One axis, as fourier.cuh declares it."""

    _fields_ = [
        (name, ctypes.c_int)
        for name in ("size", "start", "step", "lead", "tiles", "phases", "first", "every", "launched")
    ]


class Layout(ctypes.Structure):
    """Where planes and lines lie in memory, as fourier.cuh declares it."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("count", "maps", "samples_here", "maps_here", "pitch")),
        ("lines", ctypes.c_longlong),
        ("y", AxisLayout),
        ("x", AxisLayout),
    ]


@dataclass(frozen=True)
class Specialisation:
    """One kernel for one size: what the compiler is told, and the block it runs in."""

    stem: str
    lengths: tuple[int, int]
    window: tuple[int, int]
    shift: tuple[int, int]
    stride: tuple[int, int]
    plane: tuple[int, int]
    cut: bool
    aligned: bool
    itemsize: int
    bf16: bool
    conjugate: bool
    accumulate: bool
    relu: bool
    most_threads: int
    planes: int
    blocks: int

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a block: HALF rows of two complex numbers each."""
        return (self.lengths[0] // 2 + 1) * self.gaps["ROW_PITCH"] * 4 * self.itemsize

    @property
    def gaps(self) -> dict[str, int]:
        """Of shared memory, in numbers of two columns: from one row to the next, and a gap behind so many pairs.

        Eight threads read or write at once, each on a bank of its own if their places differ modulo BANKS. They are
        eight planes of a pair, some of several rows if a block has fewer; or neighbouring pairs, plane by plane.
        """
        pairs = ceil(self.window[1] / 2)
        every = ceil(BANKS / self.planes)
        gap = pairs if pairs % 2 and pairs < BANKS else ceil(BANKS / 2 ** ceil(log2(pairs)))
        row = pairs * self.planes + ceil(pairs / every) * gap
        if self.planes < BANKS:
            row = ceil(row / self.planes) * self.planes
            row += 0 if row // self.planes % 2 else self.planes
        return {"ROW_PITCH": row, "GAP_EVERY": every, "GAP": gap}

    def fits(self, shared_limit: int) -> bool:
        """Whether so many blocks find room on a multiprocessor, a whole line of the transform in registers.

        Each of its QUARTERS has a share of the registers, and every fourth warp.
        """
        registers = 2 * max(self.lengths) + 24 if self.itemsize == 4 else 4 * max(self.lengths) + 32
        warps = ceil(self.blocks * self.threads / WARP / QUARTERS)
        enough = warps * WARP * min(registers, MOST_REGISTERS) <= REGISTERS // QUARTERS
        return enough and self.shared_bytes * self.blocks <= shared_limit

    @property
    def threads(self) -> int:
        """As many as there are lines in the larger of the two steps, or if they take turns a part of it, in warps."""
        lines = self.planes * max(self.lengths[0] // 2 + 1, ceil(self.window[1] / 2))
        turns = ceil(lines / self.most_threads)
        return ceil(lines / turns / WARP) * WARP

    def source(self) -> str:
        """The CUDA source: types, sizes and codelets, then the kernel with its header in place of its include."""
        (Ny, Nx), (rows, columns) = self.lengths, self.window
        of_y, of_x = (rows, columns) if self.stem == "spectrum" else (Ny, Nx)
        paired = self.aligned and not self.cut and self.stride[1] == 1 and columns % 2 == 0 and self.plane[1] % 2 == 0
        sizes = {
            "NY": Ny,
            "NX": Nx,
            "ROWS": rows,
            "COLUMNS": columns,
            "HEIGHT": self.plane[0],
            "WIDTH": self.plane[1],
            "STRIDE_Y": self.stride[0],
            "STRIDE_X": self.stride[1],
            "CUT": str(self.cut).lower(),
            "PAIRED": str(paired).lower(),
            "SHIFT_Y": self.shift[0],
            "SHIFT_X": self.shift[1],
            "PLANES": self.planes,
            **self.gaps,
            "THREADS": self.threads,
            "BLOCKS": self.blocks,
            "CONJUGATE": str(self.conjugate).lower(),
            "ACCUMULATE": str(self.accumulate).lower(),
            "RELU": str(self.relu).lower(),
            "BF16": int(self.bf16),
            "DFT_Y": f"dft_{Ny}_{of_y}",
            "DFT_X": f"dft_{Nx}_{of_x}",
        }
        kind = "float" if self.itemsize == 4 else "double"
        number = "unsigned" if self.bf16 else "real2"
        lines = [f"typedef {kind} real;", f"typedef {kind}2 real2;", f"#define make_real2 make_{kind}2"]
        lines += [f"typedef {number} number;"]
        lines += [f"#define {name} {value}" for name, value in sizes.items()]
        lines += [dft_source(*codelet) for codelet in sorted({(Ny, of_y), (Nx, of_x)})]
        return "\n".join([*lines, kernel_source(self.stem)])


def specialise(
    stem: str,
    plan: Plan,
    name: str,
    plane: tuple[int, int],
    shared_limit: int,
    *,
    conjugate: bool,
    accumulate: bool = False,
    relu: bool = False,
    aligned: bool = True,
) -> Specialisation:
    """The kernel that takes "x", "w" or "y" of the plan, in memory `plane` rows x columns, through `stem`.

    aligned  whether the planes begin at a multiple of two numbers, so that pairs can be read and written as one
    Raises ValueError if not even one plane fits into `shared_limit`, the bytes that a block may have.
    """
    windows = plan.windows(name)
    window, shift, stride = (tuple(getattr(w, name) for w in windows) for name in ("length", "shift", "stride"))
    cut = any(w.tiles > 1 or w.start or w.lead or w.stride * (w.length - 1) + w.phases > w.size for w in windows)
    sizes = (plan.lengths, window, shift, stride, plane, cut, aligned, plan.itemsize, plan.bf16)
    narrow = NARROW * ceil(window[1] / 2) <= plan.lengths[0] // 2 + 1
    turns = narrow and prod(plan.room(name)) >= MANY
    fewest = 2 if plan.bf16 else 1  # a number goes with its neighbour
    one = Specialisation(stem, *sizes, conjugate, accumulate, relu, MOST_THREADS, planes=fewest, blocks=1)
    if one.shared_bytes > shared_limit:
        raise ValueError(
            f"{stem}: planes of {plan.lengths[0]} x {plan.lengths[1]} take "
            f"{one.shared_bytes} bytes of shared memory, the device has {shared_limit} for a block: use tiles"
        )
    best_first = BLOCKS_PLANES_THREADS_BF16 if plan.bf16 else BLOCKS_PLANES_THREADS
    if turns:
        best_first = [(blocks, planes, FEW_THREADS) for blocks, planes, _ in (BLOCKS_PLANES_THREADS[0], *best_first)]
    choices = (replace(one, blocks=blocks, planes=planes, most_threads=most) for blocks, planes, most in best_first)
    return next((choice for choice in choices if choice.fits(shared_limit)), one)


def launches(
    planes_shape: tuple[int, ...],
    windows: tuple[Window, Window],
    apart: bool,
    pitch: int | None = None,
    room: tuple[int, int] | None = None,
) -> Iterator[Layout]:
    """The layouts of the launches that cover planes (A, B, h, w): one, or with `apart` as many as keep windows that
    overlap from meeting in one launch. From one sample to the next are `pitch` planes, B if none is given. The spectra
    are of `room` samples and maps, of A and B if none is given."""
    A, B = room or planes_shape[:2]
    every = [ceil(window.length / window.step) if apart and window.tiles > 1 else 1 for window in windows]
    lines = A * B
    for window in windows:
        lines *= window.tiles * window.phases
    for first in pairs(*map(range, every)):
        axes = []
        for window, start, step in zip(windows, first, every, strict=True):
            own = [getattr(window, name) for name in ("size", "start", "step", "lead", "tiles", "phases")]
            axes.append(AxisLayout(*own, start, step, max(0, ceil((window.tiles - start) / step))))
        if all(axis.launched for axis in axes):
            yield Layout(A * B, B, *planes_shape[:2], pitch or planes_shape[1], lines, *axes)


def grid(kernel: Specialisation, layout: Layout) -> tuple[int, int]:
    """Blocks: groups of planes, and tiles times phases."""
    cells = layout.y.launched * layout.x.launched * layout.y.phases * layout.x.phases
    return ceil(layout.count / kernel.planes), cells
