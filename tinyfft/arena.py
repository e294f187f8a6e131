"""The arena: one block of memory from which every layer takes its frequency buffers, last in, first out.

A pass opens a frame with the bytes that it needs at most, takes arrays from it, and gives all back by closing it; the
next layer's pass gets the same memory. So a network costs what its largest layer costs. There is one arena for each
device and stream (and thread, on the CPU): passes that may run at the same time never share memory.

    limit_bytes[device] = 256 << 20     no arena of this device grows beyond that; without an entry there is no limit

Layers that need more at once work in chunks (chunks.py).
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
"""The most bytes that an arena of a device may take."""


class LimitError(MemoryError):
    """What is needed does not fit into the limit of the device's arena."""


def aligned(nbytes: int) -> int:
    """The next multiple of the alignment: what `nbytes` cost in the arena."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


class Arena:
    """One block. `capacity` is its size, `high_water` the most bytes ever in use at once since the last reset."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.block: Array | None = None
        self._views: dict[tuple, tuple[Array, int]] = {}  # of the block: passes take the same ones at every step
        self._top = 0
        self.capacity = 0
        self.high_water = 0

    @property
    def limit(self) -> float:
        """The device's limit, infinite without one."""
        return limit_bytes.get(self.device, math.inf)

    @contextmanager
    def frame(self, nbytes: int) -> Iterator["Arena"]:
        """Memory for `nbytes` bytes; what is taken inside is given back at the end.

        The block changes its size only while no frame is open, since arrays point into it; so the outermost frame asks
        for everything that its inner ones need. Raises LimitError if that is beyond the limit, and MemoryError if
        the device has not so much, or an inner frame needs more than what is left.
        """
        if self._top + nbytes > self.limit:
            raise LimitError(f"arena: {self._top + nbytes} bytes needed, arena.limit_bytes allows {self.limit}")
        if not self._top and not nbytes <= self.capacity <= self.limit:
            self.free()  # before the new block is allocated: never both at once
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
        """Free the block, while no frame is open."""
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
        """An uninitialised array of the open frame. Raises MemoryError if the block is too small for it."""
        key = (self._top, shape, dtype)
        if key not in self._views:
            self._views[key] = self._view(shape, np.dtype(dtype))
        array, self._top = self._views[key]
        self.high_water = max(self.high_water, self._top)
        return array

    def _view(self, shape: tuple[int, ...], dtype: np.dtype) -> tuple[Array, int]:
        """Return an array that begins at the top, and the new top."""
        nbytes = prod(shape) * dtype.itemsize
        end = self._top + aligned(nbytes)
        if end > self.capacity:
            raise MemoryError(f"arena: {nbytes} bytes taken, {self.capacity - self._top} of {self.capacity} are left")
        if len(self._views) >= MAX_VIEWS:
            self._views.clear()
        return self.block[self._top : self._top + nbytes].view(dtype).reshape(shape), end


_arenas = threading.local()


def current_arena(device: Device) -> Arena:
    """The arena of the calling thread for this device and its current stream."""
    stream = device.xp.cuda.get_current_stream().ptr if device.kind == "cuda" else 0
    arenas = _arenas.__dict__.setdefault("by_stream", {})
    if (device, stream) not in arenas:
        arenas[device, stream] = Arena(device)
    return arenas[device, stream]


def high_water_bytes(device: Device) -> int:
    """The measured high-water mark of the current arena, in bytes."""
    return current_arena(device).high_water


def reset_high_water(device: Device) -> None:
    """Begin to measure anew."""
    current_arena(device).high_water = 0


def release(device: Device) -> None:
    """Give the current arena's memory back, while no frame is open; the next frame takes what it needs."""
    current_arena(device).free()
