"""Specialise spectrum.cu and signal.cu for a plan: constants, codelets, threads and blocks.

The sources in kernels/fourier/ are parametrised. `specialise` derives everything that a compiler and a launch
(launch.py) need, for NVRTC on a GPU as for the C++ compiler with which the tests run the kernels on the host.
"""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product as pairs
from math import ceil, log2, prod

from tinyfft.fourier.axis import Window
from tinyfft.fourier.codelets import dft_source
from tinyfft.fourier.plan import Plan
from tinyfft.gpu import Source

WARP_THREADS = 32
SM_REGISTERS, SM_QUARTERS = 1 << 16, 4  # a quarter has its own share of the registers, and every fourth warp
MAX_THREAD_REGISTERS = 255
MAX_BLOCK_THREADS = 1024
SHARED_BANKS = 8  # of 16 bytes
BLOCKS_PLANES_THREADS = (
    (2, 32, MAX_BLOCK_THREADS),
    (2, 16, MAX_BLOCK_THREADS),
    (2, 8, MAX_BLOCK_THREADS),
    (1, 16, MAX_BLOCK_THREADS),
    (1, 8, MAX_BLOCK_THREADS),
    (1, 4, MAX_BLOCK_THREADS),
    (1, 2, MAX_BLOCK_THREADS),
)
"""Blocks per multiprocessor, planes per block and the most threads per block, the best first.

Of two blocks one computes while the other waits for memory. Many planes make memory accesses long: a block writes 8
contiguous bytes for each plane. Powers of two let a warp write whole contiguous pieces.
"""
BLOCKS_PLANES_THREADS_BF16 = (
    (2, 16, MAX_BLOCK_THREADS),
    (2, 16, 224),
    (1, 16, MAX_BLOCK_THREADS),
    (1, 8, MAX_BLOCK_THREADS),
    (1, 4, MAX_BLOCK_THREADS),
    (1, 2, MAX_BLOCK_THREADS),
)
"""The same for bf16, whose numbers take four bytes.

With 8 planes a block writes half of each 32-byte sector, so 16 planes are tried before two blocks. Before a
multiprocessor is left with one block, 224 threads per block loop over the lines. 32 planes are tried only where the
threads loop anyway: to loop costs more than the longer writes save.
"""
NARROW_WINDOW, MIN_PLANES_FOR_LOOP, LOOP_THREADS = 3, 8192, 160
"""A window is narrow if it has NARROW_WINDOW times fewer pairs of columns than the half spectrum has rows.

With a thread for each row, most threads would then idle in the step over pairs. If a launch has MIN_PLANES_FOR_LOOP
planes or more, which fill a GPU anyway, its blocks have LOOP_THREADS threads, which loop over the rows.
"""


class AxisLayout(ctypes.Structure):
    """One axis, as transform.cuh declares it."""

    _fields_ = [
        (name, ctypes.c_int)
        for name in ("size", "start", "hop", "lead", "tiles", "phases", "first", "every", "launched")
    ]


class Layout(ctypes.Structure):
    """The layout of planes and spectra in memory, as transform.cuh declares it."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("count", "maps", "valid_samples", "valid_maps", "pitch")),
        ("lines", ctypes.c_longlong),
        ("y", AxisLayout),
        ("x", AxisLayout),
    ]


@dataclass(frozen=True)
class FourierKernel:
    """One kernel for one size: the constants it is compiled with, and its block."""

    stem: str
    lengths: tuple[int, int]
    window: tuple[int, int]
    shift: tuple[int, int]
    stride: tuple[int, int]
    plane: tuple[int, int]
    clipped: bool
    aligned: bool
    itemsize: int
    bf16: bool
    conjugate: bool
    accumulate: bool
    relu: bool
    max_threads: int
    planes: int  # per block
    blocks: int  # per multiprocessor

    @property
    def shared_bytes(self) -> int:
        """Bytes of a block's shared memory: the half spectrum's rows, two complex numbers for each pair of columns."""
        return (self.lengths[0] // 2 + 1) * self.gaps["ROW_PITCH"] * 4 * self.itemsize

    @property
    def gaps(self) -> dict[str, int]:
        """The pitch of a row in shared memory, and a gap of GAP entries after each PAIRS_PER_GAP pairs of columns.

        An entry holds two complex numbers, of the left and the right column. Eight threads access shared memory at
        once, without a conflict if their offsets differ modulo SHARED_BANKS. They take eight planes of a pair, fewer
        planes of several rows, or neighbouring pairs of one plane.
        """
        pairs = ceil(self.window[1] / 2)
        pairs_per_gap = ceil(SHARED_BANKS / self.planes)
        gap = pairs if pairs % 2 and pairs < SHARED_BANKS else ceil(SHARED_BANKS / 2 ** ceil(log2(pairs)))
        pitch = pairs * self.planes + ceil(pairs / pairs_per_gap) * gap
        if self.planes < SHARED_BANKS:
            pitch = ceil(pitch / self.planes) * self.planes
            pitch += 0 if pitch // self.planes % 2 else self.planes
        return {"ROW_PITCH": pitch, "PAIRS_PER_GAP": pairs_per_gap, "GAP": gap}

    def fits(self, shared_limit: int) -> bool:
        """Whether `blocks` blocks fit on a multiprocessor, each thread with a line of the transform in registers."""
        registers = 2 * max(self.lengths) + 24 if self.itemsize == 4 else 4 * max(self.lengths) + 32
        quarter_warps = ceil(self.blocks * self.threads / WARP_THREADS / SM_QUARTERS)
        quarter_registers = quarter_warps * WARP_THREADS * min(registers, MAX_THREAD_REGISTERS)
        return quarter_registers <= SM_REGISTERS // SM_QUARTERS and self.shared_bytes * self.blocks <= shared_limit

    @property
    def threads(self) -> int:
        """Threads of a block, in whole warps: one for each line of the step with more lines, fewer if they loop."""
        lines = self.planes * max(self.lengths[0] // 2 + 1, ceil(self.window[1] / 2))
        rounds = ceil(lines / self.max_threads)
        return ceil(lines / rounds / WARP_THREADS) * WARP_THREADS

    def source(self) -> Source:
        """Return the kernel's source with its types, constants and codelets."""
        (Ny, Nx), (rows, columns) = self.lengths, self.window
        of_y, of_x = (rows, columns) if self.stem == "spectrum" else (Ny, Nx)
        paired = (
            self.aligned and not self.clipped and self.stride[1] == 1 and columns % 2 == 0 and self.plane[1] % 2 == 0
        )
        sizes = {
            "NY": Ny,
            "NX": Nx,
            "ROWS": rows,
            "COLUMNS": columns,
            "HEIGHT": self.plane[0],
            "WIDTH": self.plane[1],
            "STRIDE_Y": self.stride[0],
            "STRIDE_X": self.stride[1],
            "CLIPPED": str(self.clipped).lower(),
            "PAIRED": str(paired).lower(),
            "SHIFT_Y": self.shift[0],
            "SHIFT_X": self.shift[1],
            "PLANES_PER_BLOCK": self.planes,
            **self.gaps,
            "THREADS": self.threads,
            "BLOCKS_PER_SM": self.blocks,
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
        return Source(self.stem, "\n".join(lines))


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
) -> FourierKernel:
    """Return the kernel `stem` for "x", "w" or "y" of the plan, whose planes are `plane` rows x columns in memory.

    shared_limit  bytes of shared memory that a block may have
    aligned       whether the planes begin at a multiple of two numbers: pairs can then be loaded and stored at once
    Raises ValueError if the fewest planes that a block can have do not fit into `shared_limit`.
    """
    windows = plan.windows(name)
    window, shift, stride = (tuple(getattr(w, name) for w in windows) for name in ("length", "shift", "stride"))
    clipped = any(w.tiles > 1 or w.start or w.lead or w.stride * (w.length - 1) + w.phases > w.size for w in windows)
    sizes = (plan.lengths, window, shift, stride, plane, clipped, aligned, plan.itemsize, plan.bf16)
    narrow = NARROW_WINDOW * ceil(window[1] / 2) <= plan.lengths[0] // 2 + 1
    loop = narrow and prod(plan.padded_shape(name)) >= MIN_PLANES_FOR_LOOP
    min_planes = 2 if plan.bf16 else 1  # a lane exchanges numbers with its neighbour
    smallest = FourierKernel(stem, *sizes, conjugate, accumulate, relu, MAX_BLOCK_THREADS, min_planes, blocks=1)
    if smallest.shared_bytes > shared_limit:
        raise ValueError(
            f"{stem}: planes of {plan.lengths[0]} x {plan.lengths[1]} take "
            f"{smallest.shared_bytes} bytes of shared memory, the device has {shared_limit} for a block: use tiles"
        )
    best_first = BLOCKS_PLANES_THREADS_BF16 if plan.bf16 else BLOCKS_PLANES_THREADS
    if loop:
        best_first = [(blocks, planes, LOOP_THREADS) for blocks, planes, _ in (BLOCKS_PLANES_THREADS[0], *best_first)]
    choices = (replace(smallest, blocks=blocks, planes=planes, max_threads=most) for blocks, planes, most in best_first)
    return next((choice for choice in choices if choice.fits(shared_limit)), smallest)


def launches(
    planes_shape: tuple[int, ...],
    windows: tuple[Window, Window],
    apart: bool,
    pitch: int | None = None,
    padded: tuple[int, int] | None = None,
) -> Iterator[Layout]:
    """Yield the layouts of the launches that cover planes (A, B, h, w).

    apart  use as many launches as needed to keep overlapping windows out of the same launch
    pitch  planes in memory from one sample to the next, B by default
    padded  samples and maps of the spectra, padding included; (A, B) by default
    """
    A, B = padded or planes_shape[:2]
    every = [ceil(window.length / window.hop) if apart and window.tiles > 1 else 1 for window in windows]
    lines = A * B
    for window in windows:
        lines *= window.tiles * window.phases
    for first in pairs(*map(range, every)):
        axes = []
        for window, start, stride in zip(windows, first, every, strict=True):
            own = [getattr(window, name) for name in ("size", "start", "hop", "lead", "tiles", "phases")]
            axes.append(AxisLayout(*own, start, stride, max(0, ceil((window.tiles - start) / stride))))
        if all(axis.launched for axis in axes):
            yield Layout(A * B, B, *planes_shape[:2], pitch or planes_shape[1], lines, *axes)


def grid(kernel: FourierKernel, layout: Layout) -> tuple[int, int]:
    """Return the numbers of blocks: groups of planes, and tiles times phases."""
    cells = layout.y.launched * layout.x.launched * layout.y.phases * layout.x.phases
    return ceil(layout.count / kernel.planes), cells
