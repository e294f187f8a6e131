"""Which array module computes, on which device, and where random numbers come from.

A device is the CPU (NumPy) or one GPU (CuPy). Modules take the current device when they are made and keep it;
`use_device` chooses the one for modules made from then on. Above this file nothing but the engine, tinyfft.fourier
and tinyfft.ops, may ask which of the two it is: all other code calls `device.xp`, the array module, whose functions
have the same names in both.
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

from tinyfft.blockwise import blockwise
from tinyfft.kernel_source import kernel_source

Array = Any  # numpy.ndarray or cupy.ndarray
Buffer = Callable[[str, tuple[int, ...], Any], Array]
"""Called with a name, a shape and a dtype, it gives scratch memory and keeps it: a module's own, for the engine."""


@dataclass(frozen=True)
class Device:
    """One place where arrays live. `kind` is "cpu" or "cuda", `index` the GPU's number (0 on the CPU)."""

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
        """Memory to work on at a time: 4 MiB stay in a CPU's caches, 256 MiB keep a GPU busy between two launches."""
        return 1 << 22 if self.kind == "cpu" else 1 << 28

    @property
    def captures(self) -> bool:
        """Whether work can be captured as a graph (gpu.capture): on a GPU, in threads whose current stream is not the
        default one. `use_device` sets such a stream in its own thread."""
        return self.kind == "cuda" and _cupy().cuda.get_current_stream().ptr not in _DEFAULT_STREAMS

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """An uninitialised array. Every buffer of the package is made here."""
        return self.xp.empty(shape, dtype)

    def array(self, values: Any, dtype: Any = None) -> Array:
        """`values` (host or device) as an array of this device; no copy if it is one already."""
        return self.xp.asarray(values, dtype)

    def blockwise(self, work: Callable[..., None], *arrays: Array) -> None:
        """Call work(*blocks) for the same rows of all arrays until all are done, as blockwise.py says.

        On a GPU one block is all: its cores share one memory, and each call is a launch.
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
        """Give memory back that CuPy holds for later."""
        if self.kind == "cuda":
            _cupy().get_default_memory_pool().free_all_blocks()

    def fetch(self, array: Array) -> Callable[[], np.ndarray]:
        """Ask for a copy on the host; the call that is returned waits for it, but for nothing that is queued later."""
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
    """The same values as a numpy.ndarray."""
    return array if isinstance(array, np.ndarray) else array.get()


_DEFAULT_STREAMS = (0, 1, 2)  # none given, cudaStreamLegacy, cudaStreamPerThread

_current: Device | None = None


def use_device(name: str = "auto") -> Device:
    """Choose where modules made from now on live, and return that device.

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
    """The device for new modules; the first call without `use_device` chooses "auto"."""
    return _current or use_device("auto")


@cache
def gpu_problem(index: int = 0) -> str | None:
    """Why GPU number `index` cannot be used, or None: a trivial kernel was compiled and ran, and cuBLAS answered."""
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


def manual_seed(seed: int) -> None:
    """Start the random numbers of initial weights and dropout again from `seed`."""
    global _generator
    _generator = np.random.default_rng(seed)


def generator() -> np.random.Generator:
    """The generator of initial weights and dropout. It runs on the host, so that every device sees the same numbers."""
    return _generator


_generator = np.random.default_rng(0)


@cache
def _cupy() -> ModuleType:
    import cupy  # takes most of a second: only when a GPU is asked for

    return cupy


def _run_probe(cupy: ModuleType, index: int) -> None:
    with cupy.cuda.Device(index):
        kernel = cupy.RawKernel(kernel_source("probe"), "probe")
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
    """What work is queued on: a stream that can be captured, as the default one cannot, and that waits for that one
    and is waited for by it, so that other libraries' work there is in order with ours."""
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
