"""Work on arrays of a GPU that is recorded as a CUDA graph, and from then on launched as a whole.

    step = Recorded(work, network.device, owners)
    step(input, target)

The first calls with arrays of some shapes run `work(*arrays)`: algorithms are chosen and buffers made. Then one call is
captured on copies of its arrays. Each later call is copied into these and the graph is launched as a whole: queueing
the kernels of a small network takes the host longer than running them takes the GPU. A graph keeps the arrays it was
captured with, whatever their owners do with them. Calls with other shapes, and all calls on a device that captures no
graphs, run `work` as it is. Numbers of the host are frozen in a graph: after changing an optimizer's momentum, say,
call `forget`. Source  CUDA C++ Programming Guide, CUDA Graphs (stream capture)
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tinyfft import gpu
from tinyfft.backend import Array, Device
from tinyfft.fourier.arena import current_arena
from tinyfft.fourier.spectrum_cache import SpectrumCache
from tinyfft.nn.module import stated

WARM_UP = 2
"""Calls with the same shapes before one is recorded."""


class Recorded:
    def __init__(self, work: Callable[..., None], device: Device, owners: Iterable[Any], record: bool = True) -> None:
        """
        work    a function of arrays that queues the same device work at every call; what the host draws at random goes
                through backend.call_each_time
        owners  all objects whose attributes hold arrays that it uses, and which say by `records` that they may be
        record  whether to record at all
        """
        self._work, self._device, self._owners = work, device, list(owners)
        self.record = record and all(stated(owner, "records", False) for owner in self._owners)
        self.forget()

    def __call__(self, *arrays: Array) -> bool:
        """Do the work; returns whether it was recorded work."""
        shapes = tuple((array.shape, array.dtype) for array in arrays)
        if shapes != self._recorded_for or not self._device.captures:
            self._work(*arrays)
            self._ran[shapes] = self._ran.get(shapes, 0) + 1
            if self.record and self._recorded_for is None and self._ran[shapes] == WARM_UP:
                self._recorded_for = shapes
            return False
        if self._launch is None:
            self._arguments = [array.copy() for array in arrays]
            before = [*self._arrays()]  # what is replaced meanwhile may be in the recording already
            self._launch = gpu.capture(lambda: self._work(*self._arguments), self._device)
            self._held = [*before, *self._arrays()]
        for own, array in zip(self._arguments, arrays, strict=True):
            own[...] = array
        self._launch()
        return True

    def forget(self) -> None:
        """Let the recording go, and the memory that it alone keeps; after some calls there is another one."""
        self._launch: Callable[[], None] | None = None
        self._recorded_for: tuple | None = None
        self._arguments: list[Array] = []
        self._held: list[Array] = []
        self._ran: dict[tuple, int] = {}

    def _arrays(self) -> Iterator[Array]:
        yield current_arena(self._device).block
        for owner in self._owners:
            for value in vars(owner).values():
                for part in value if isinstance(value, (list, tuple, SpectrumCache)) else (value,):
                    if isinstance(part, self._device.xp.ndarray):
                        yield part
