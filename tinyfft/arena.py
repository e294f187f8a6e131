"""The arena: one block of memory from which every layer takes its frequency buffers, as from a stack.

A pass opens a frame with the most bytes that it needs, takes arrays from the frame, and closes it; the next pass gets
the same memory. A network therefore needs the frequency memory of its largest layer. Each device, stream and host
thread has an arena of its own: passes that may run at the same time never share memory.

    limit_bytes[device] = 256 << 20     each arena of the device takes at most 256 MiB; without an entry: no limit

A layer whose pass needs more than the limit works in chunks (fourier/chunks.py).
Source  Mathieu, Henaff, LeCun 2013, section 3.2 (memory is reused by all layers)
"""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np

from tinyfft.backend import Array, Device

ALIGNMENT = 256  # bytes
MAX_VIEWS = 4096

limit_bytes: dict[Device, int] = {}
"""The most bytes of each arena of a device."""


class LimitError(MemoryError):
    """A frame needs more bytes than the limit of the device's arena."""


def aligned(nbytes: int) -> int:
    """Return the bytes that an array of `nbytes` takes in the arena: the next multiple of the alignment."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


class Arena:
    """A block of `capacity` bytes; `high_water` is the most bytes that were in use at once since the last reset."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.block: Array | None = None
        self._views: dict[tuple, tuple[Array, int]] = {}  # a pass takes the same arrays at every step
        self._top = 0
        self.capacity = 0
        self.high_water = 0

    @property
    def limit(self) -> float:
        """The device's limit in bytes; infinity if there is none."""
        return limit_bytes.get(self.device, math.inf)

    @contextmanager
    def frame(self, nbytes: int) -> Iterator["Arena"]:
        """Open a frame of `nbytes` bytes; at its end the arrays taken inside are given back.

        Arrays point into the block, which changes its size only while no frame is open: the outermost frame has to ask
        for the bytes of its inner frames too. Raises LimitError if the bytes exceed the limit, and MemoryError if the
        device has too few, or if an inner frame asks for more than is left.
        """
        if self._top + nbytes > self.limit:
            raise LimitError(f"arena: {self._top + nbytes} bytes needed, arena.limit_bytes allows {self.limit}")
        if not self._top and not nbytes <= self.capacity <= self.limit:
            self.free()  # the old block goes before the new one comes
            self.block = self._new_block(nbytes)
            self.capacity = nbytes
        if self._top + nbytes > self.capacity:
            left = self.capacity - self._top
            raise MemoryError(f"arena: an inner frame asks for {nbytes} bytes, {left} of {self.capacity} are left")
        mark = self._top
        try:
            yield self
        finally:
            self._top = mark

    def free(self) -> None:
        """Free the block; no frame may be open."""
        self._views.clear()
        self.block, self.capacity = None, 0

    def _new_block(self, nbytes: int) -> Array:
        try:
            return self.device.empty((nbytes,), np.uint8)
        except MemoryError as error:
            fits = min(self.device.free_bytes or nbytes, nbytes // 2)  # free memory may lie in pieces
            raise MemoryError(
                f"cannot allocate {nbytes} bytes of frequency memory on {self.device}, "
                f"arena.limit_bytes = {fits} would fit"
            ) from error

    def take(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """Return an uninitialised array of the open frame. Raises MemoryError if the block is too small for it."""
        key = (self._top, shape, dtype)
        if key not in self._views:
            self._views[key] = self._view(shape, np.dtype(dtype))
        array, self._top = self._views[key]
        self.high_water = max(self.high_water, self._top)
        return array

    def _view(self, shape: tuple[int, ...], dtype: np.dtype) -> tuple[Array, int]:
        """Return an array at the stack's top, and the new top."""
        nbytes = prod(shape) * dtype.itemsize
        end = self._top + aligned(nbytes)
        if end > self.capacity:
            raise MemoryError(f"arena: {nbytes} bytes taken, {self.capacity - self._top} of {self.capacity} are left")
        if len(self._views) >= MAX_VIEWS:
            self._views.clear()
        return self.block[self._top : self._top + nbytes].view(dtype).reshape(shape), end


_arenas = threading.local()


def current_arena(device: Device) -> Arena:
    """Return the calling thread's arena for this device and its current stream."""
    stream = device.xp.cuda.get_current_stream().ptr if device.kind == "cuda" else 0
    arenas = _arenas.__dict__.setdefault("by_stream", {})
    if (device, stream) not in arenas:
        arenas[device, stream] = Arena(device)
    return arenas[device, stream]


def high_water_bytes(device: Device) -> int:
    """Return the high-water mark of the current arena in bytes."""
    return current_arena(device).high_water


def reset_high_water(device: Device) -> None:
    """Set the high-water mark of the current arena to 0."""
    current_arena(device).high_water = 0


def release(device: Device) -> None:
    """Free the current arena's block; no frame may be open. The next frame allocates a block again."""
    current_arena(device).free()
