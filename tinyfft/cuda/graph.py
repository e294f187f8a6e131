"""CUDA graphs: device work is captured once and then replayed as a whole.

The kernels of a small network take the host longer to queue than the GPU to run. A graph queues them all at once.
Source  CUDA C++ Programming Guide, CUDA Graphs (stream capture)
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from tinyfft import backend
from tinyfft.arena import current_arena
from tinyfft.backend import Array, Device

WARM_UP_CALLS = 2
"""Calls with arrays of the same shapes before the capture: algorithms are chosen and buffers allocated in them."""


class CapturedGraph:
    """Work on arrays: the first calls with the same shapes run it, the next call captures it, later calls replay it.

    Calls with other shapes, and all calls on a device that does not capture, run the work. Numbers of the host are
    frozen in the graph: call `reset` after changing one, such as an optimizer's momentum.
    """

    def __init__(
        self, work: Callable[..., None], device: Device, owners: Iterable[Any], *, enabled: bool = True
    ) -> None:
        """
        work     queues the same device work at every call; the host draws random numbers by backend.call_each_time
        device   where the arrays are
        owners   all objects whose attributes hold arrays that `work` uses: the graph keeps these arrays alive
        enabled  whether to capture at all
        """
        self._work, self._device, self._owners, self._enabled = work, device, list(owners), enabled
        self.reset()

    def __call__(self, *arrays: Array) -> bool:
        """Do the work on these arrays; return whether a graph did it."""
        shapes = tuple((array.shape, array.dtype) for array in arrays)
        if shapes != self._shapes or not self._device.captures:
            self._work(*arrays)
            self._count(shapes)
            return False
        if self._replay is None:
            self._capture(arrays)
        for own, array in zip(self._inputs, arrays, strict=True):
            own[...] = array
        self._replay()
        return True

    def reset(self) -> None:
        """Drop the graph and the memory that only the graph holds. Another one is captured after a new warm-up."""
        self._shapes: tuple | None = None  # of the arrays that the graph is for
        self._calls: Counter[tuple] = Counter()  # direct calls, by shapes
        self._replay: Callable[[], None] | None = None
        self._inputs: list[Array] = []
        self._held: list[Array] = []

    def _count(self, shapes: tuple) -> None:
        self._calls[shapes] += 1
        if self._enabled and self._shapes is None and self._calls[shapes] == WARM_UP_CALLS:
            self._shapes = shapes

    def _capture(self, arrays: tuple[Array, ...]) -> None:
        self._inputs = [array.copy() for array in arrays]
        before = [*self._arrays()]  # an array that is replaced during the capture may be part of the graph already
        self._replay = capture(lambda: self._work(*self._inputs), self._device)
        self._held = [*before, *self._arrays()]

    def _arrays(self) -> Iterator[Array]:
        """Yield the arena's block, and the arrays that the owners' attributes are or contain."""
        yield current_arena(self._device).block
        for owner in self._owners:
            for value in vars(owner).values():
                parts = value if isinstance(value, Iterable) and not hasattr(value, "shape") else [value]
                yield from (part for part in parts if isinstance(part, self._device.xp.ndarray))


def capture(work: Callable[[], None], device: Device) -> Callable[[], None]:
    """Capture what `work` queues on the current stream, without running it; return a function that replays it.

    All arrays that the work uses must stay where they are. Arrays that it allocates, and frees, come from a memory pool
    that the graph keeps. Raises what `work` raises, and RuntimeError if it waits for the device.
    """
    cuda = device.xp.cuda
    stream, pool = cuda.get_current_stream(), cuda.MemoryPool()
    with cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        try:
            with backend.capturing() as before_replay:
                work()
        except BaseException:
            with suppress(RuntimeError):  # because the capture was broken off
                stream.end_capture()
            raise
        graph = stream.end_capture()

    def replay(pool: Any = pool) -> None:  # the default argument keeps the pool as long as the graph
        for work_of_host in before_replay:
            work_of_host()
        graph.launch(stream)

    return replay
