"""How long a call takes: the median over groups of calls, by CUDA events on a GPU, by the wall clock on a CPU.

On a GPU a group is several calls between two events. With `ahead` the GPU is kept busy until the host has queued them,
so that the host's part is hidden, as that of a layer is in a network which keeps the GPU busy; without, the host may be
what takes the time. Events are recorded on the default stream, which is PyTorch's too: tinyfft's own stream waits for
it and is waited for by it.
"""

import statistics
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from tinyfft.backend import Device

GROUP_MS = {"cpu": 0.0, "cuda": 20.0}
"""What a group lasts, at least one call: long enough for the clock, and for the host to be ahead."""
MOST_CALLS = 5  # in a group
WARM_UP = {"cpu": 1, "cuda": 4}  # calls: algorithms are chosen, buffers made and steps recorded
GROUPS = (3, 15)  # at least and at most
SECONDS = 1.0  # no further group after these, if the fewest are done
AHEAD_CYCLES = 20_000_000
"""About 10 ms of a GPU: longer than the host takes to queue a group of calls."""


def milliseconds(call: Callable[[], Any], device: Device, ahead: bool = False) -> float:
    """Of one call, queued on `device`."""
    group = partial(_between_events, ahead=ahead) if device.kind == "cuda" else _between_ticks
    for _ in range(WARM_UP[device.kind]):
        one = group(call, 1, device)
    calls = max(1, min(MOST_CALLS, round(GROUP_MS[device.kind] / one)))
    times: list[float] = []
    while len(times) < GROUPS[0] or (len(times) < GROUPS[1] and sum(times) < 1000 * SECONDS):
        times.append(group(call, calls, device))
    return statistics.median(times) / calls


def _between_events(call: Callable[[], Any], calls: int, device: Device, ahead: bool) -> float:
    cuda = device.xp.cuda
    start, end, default = cuda.Event(), cuda.Event(), cuda.Stream.null
    if ahead:
        occupy(device)
    start.record(default)
    for _ in range(calls):
        call()
    end.record(default)
    end.synchronize()
    return cuda.get_elapsed_time(start, end)


def occupy(device: Device, times: int = 1) -> None:
    """Give a GPU nothing to do for that many times AHEAD_CYCLES, in which the host can queue what shall be timed."""
    cuda = device.xp.cuda
    own = cuda.get_current_stream()
    cuda.Stream.null.use()
    try:
        _spin(device)((1,), (1,), (np.int64(times * AHEAD_CYCLES),))
    finally:
        own.use()  # which a `with` over the default stream does not do


@cache
def _spin(device: Device) -> Any:
    """A kernel that lasts for as many cycles as it is told."""
    source = """extern "C" __global__ void spin(long long cycles) {
        const long long start = clock64();
        while (clock64() - start < cycles) {}
    }"""
    return device.xp.RawKernel(source, "spin")


def _between_ticks(call: Callable[[], Any], calls: int, _: Device) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return 1000 * (time.perf_counter() - start)
