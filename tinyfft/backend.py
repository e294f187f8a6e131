"""Devices: which array module computes, and where.

A device is the CPU (NumPy) or one GPU (CuPy). A module takes the current device when it is constructed and keeps it;
`use_device` chooses the device of later modules. Only the engine (tinyfft.fourier) and tinyfft.ops ask which kind of
device it is. All other code calls `device.xp`, the array module, whose functions have the same names in both.
"""

import ctypes
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from tinyfft.cpu.blocks import blockwise

Array = Any  # numpy.ndarray or cupy.ndarray
Buffer = Callable[[str, tuple[int, ...], Any], Array]
"""buffer(name, shape, dtype) returns scratch memory that a module keeps for its operations."""


@dataclass(frozen=True)
class Device:
    """A place where arrays live: `kind` is "cpu" or "cuda", `index` the GPU's number (0 on the CPU)."""

    kind: str
    index: int = 0

    @property
    def xp(self) -> ModuleType:
        """The array module of this device: numpy or cupy."""
        return np if self.kind == "cpu" else _cupy()

    @property
    def hardware(self) -> str:
        """The name of the processor, for reports."""
        return _processor_name() if self.kind == "cpu" else _gpu_name(self.index)

    @property
    def block_bytes(self) -> int:
        """Bytes to work on at a time: 4 MiB stay in a CPU's caches, 256 MiB keep a GPU busy between two launches."""
        return 1 << 22 if self.kind == "cpu" else 1 << 28

    @property
    def captures(self) -> bool:
        """Whether work can be captured as a graph (cuda/graph.py): on a GPU, in threads whose current stream is not the
        default one. `use_device` sets such a stream in its own thread."""
        return self.kind == "cuda" and _cupy().cuda.get_current_stream().ptr not in _DEFAULT_STREAMS

    @property
    def steps_ahead(self) -> int:
        """How many training steps the host may queue while it waits for the loss of an earlier one: 1 on a GPU, which
        would be idle otherwise, 0 on the CPU."""
        return 0 if self.kind == "cpu" else 1

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """Return an uninitialised array. Every buffer of the package is allocated here."""
        return self.xp.empty(shape, dtype)

    def array(self, values: Any, dtype: Any = None) -> Array:
        """Return `values` (host or device) as an array of this device; no copy if they are one already."""
        return self.xp.asarray(values, dtype)

    def blockwise(self, work: Callable[..., None], *arrays: Array) -> None:
        """Call work(*blocks) for the same rows of all arrays until all rows are done (cpu/blocks.py).

        On a GPU all rows are one block: its cores share one memory, and each call is a launch.
        """
        if self.kind == "cpu":
            blockwise(work, *arrays)
        else:
            work(*arrays)

    @property
    def free_bytes(self) -> int | None:
        """Bytes of memory that are free: of a GPU CuPy's unused blocks included; None where the system does not say."""
        if self.kind == "cpu":
            return _available_memory()
        cupy = _cupy()
        with cupy.cuda.Device(self.index):
            return cupy.cuda.runtime.memGetInfo()[0] + cupy.get_default_memory_pool().free_bytes()

    def free_unused(self) -> None:
        """Return memory to the GPU that CuPy holds for later."""
        if self.kind == "cuda":
            _cupy().get_default_memory_pool().free_all_blocks()

    def fetch(self, array: Array) -> Callable[[], np.ndarray]:
        """Queue a copy to the host; return a function that returns it, waiting for no work that was queued later."""
        if self.kind == "cpu":
            values = array.copy()
            return lambda: values
        assert array.flags.c_contiguous, array.strides
        cuda = _cupy().cuda
        stream, event = cuda.get_current_stream(), cuda.Event(disable_timing=True)
        memory = cuda.alloc_pinned_memory(array.nbytes)
        cuda.runtime.memcpyAsync(memory.ptr, array.data.ptr, array.nbytes, cuda.runtime.memcpyDeviceToHost, stream.ptr)
        event.record(stream)

        def wait() -> np.ndarray:
            event.synchronize()
            return np.frombuffer(memory, array.dtype, array.size).reshape(array.shape).copy()

        return wait

    def synchronize(self) -> None:
        """Wait until all work queued on this device is done."""
        if self.kind == "cuda":
            _cupy().cuda.Device(self.index).synchronize()

    def __str__(self) -> str:
        return "cpu" if self.kind == "cpu" else f"cuda:{self.index}"


def to_host(array: Array) -> np.ndarray:
    """Return an array's values as a numpy.ndarray."""
    return array if isinstance(array, np.ndarray) else array.get()


_DEFAULT_STREAMS = (0, 1, 2)  # none given, cudaStreamLegacy, cudaStreamPerThread

_current: Device | None = None


def use_device(name: str = "auto") -> Device:
    """Choose where later modules live, and return that device.

    name  "cpu", "cuda" (the first GPU), "cuda:1", or "auto": a working GPU, else the CPU.
    Raises ValueError for any other name and RuntimeError, saying what failed, if the GPU does not work.
    """
    global _current
    kind, _, number = name.partition(":")
    if name == "auto":
        device = Device("cuda") if gpu_problem(0) is None else Device("cpu")
    elif name == "cpu":
        device = Device("cpu")
    elif kind == "cuda" and (name == "cuda" or number.isdecimal()):
        device = Device("cuda", int(number or 0))
        if problem := gpu_problem(device.index):
            raise RuntimeError(f"device {name} does not work: {problem}")
    else:
        raise ValueError(f"use_device: name is {name!r}, expected 'auto', 'cpu', 'cuda' or 'cuda:N'")
    if device.kind == "cuda":
        _cupy().cuda.Device(device.index).use()
        _stream(device.index).use()
    _current = device
    return device


def current_device() -> Device:
    """Return the device for new modules; the first call without `use_device` chooses "auto"."""
    return _current or use_device("auto")


@cache
def gpu_problem(index: int = 0) -> str | None:
    """Return why GPU number `index` cannot be used, or None after a trivial kernel and cuBLAS have worked there."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError as error:
        return f"no NVIDIA driver was found ({error})"
    try:
        cupy = _cupy()
    except ImportError as error:
        return f"CuPy cannot be imported ({_first_line(error)})"
    steps = {
        "no such GPU answers": lambda: cupy.cuda.Device(index).compute_capability,
        "a trivial kernel could not be compiled and run": lambda: _run_probe(cupy, index),
        "cuBLAS could not be loaded and called": lambda: _run_cublas(cupy, index),
    }
    for failure, step in steps.items():
        try:
            step()
        except (RuntimeError, OSError, ImportError, cupy.cuda.compiler.CompileException) as error:
            return f"{failure} ({_first_line(error)})"
    return None


def count_weight_update() -> None:
    """Called by an optimizer after it has written the weights."""
    global _weights_version
    _weights_version += 1


def weights_version() -> int:
    """Return how often optimizers of this process have written weights: values derived from older weights are stale."""
    return _weights_version


_weights_version = 0


@contextmanager
def capturing() -> Iterator[list[Callable[[], None]]]:
    """Mark graph capture: device work is captured and replayed, host decisions are frozen.

    Yields the list of what the host has to call before each replay.
    """
    global _before_replay
    _before_replay = []
    try:
        yield _before_replay
    finally:
        _before_replay = None


def is_capturing() -> bool:
    """Whether a graph is being captured."""
    return _before_replay is not None


def call_each_time(work: Callable[[], None]) -> None:
    """Call `work`, which the host does, now; during graph capture before each replay instead."""
    if _before_replay is None:
        work()
    else:
        _before_replay.append(work)


_before_replay: list[Callable[[], None]] | None = None


@cache
def _cupy() -> ModuleType:
    import cupy  # takes most of a second: only when a GPU is asked for

    return cupy


_PROBE = """extern "C" __global__ void probe(const float* x, float* y, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = 2.0f * x[i] + 1.0f;
}"""


def _run_probe(cupy: ModuleType, index: int) -> None:
    with cupy.cuda.Device(index):
        kernel = cupy.RawKernel(_PROBE, "probe")
        x = cupy.arange(33, dtype=cupy.float32)
        y = cupy.zeros_like(x)
        kernel((2,), (32,), (x, y, np.int32(x.size)))
        if not (y.get() == 2 * x.get() + 1).all():  # on the host: CuPy compiles a reduction for seconds
            raise RuntimeError("it ran, but its results are wrong")


def _run_cublas(cupy: ModuleType, index: int) -> None:
    with cupy.cuda.Device(index):
        x = cupy.full((64, 64), 0.5, dtype=cupy.float32)
        if not ((x @ x).get() == 16.0).all():
            raise RuntimeError("it ran, but its results are wrong")


@cache
def _stream(index: int) -> Any:
    """Return the stream that work is queued on. Unlike the default stream it can be captured. It blocks with the
    default stream, so that the work of other libraries there is in order with ours."""
    return _cupy().cuda.Stream()


def _gpu_name(index: int) -> str:
    return _cupy().cuda.runtime.getDeviceProperties(index)["name"].decode()


def _processor_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _available_memory() -> int | None:
    try:
        with open("/proc/meminfo", encoding="utf-8") as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
