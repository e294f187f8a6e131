"""Time of a call: the median over groups of calls, by CUDA events on a GPU, by the wall clock on a CPU.

On a GPU a group is several calls between two events. With `ahead` the GPU is kept busy until the host has queued the
group, which hides the host's time, as in a network that keeps the GPU busy. Without `ahead` the host may be the limit.
Events are recorded on the default stream, which PyTorch uses; tinyfft's stream and the default stream synchronize.
"""

import statistics
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from tinyfft.backend import Device

MIN_GROUP_MS = {"cpu": 0.0, "cuda": 20.0}  # long enough for the clock and for the host to run ahead
MAX_CALLS = 5  # in a group
WARM_UP_CALLS = {"cpu": 1, "cuda": 4}  # they choose algorithms, allocate buffers and capture CUDA graphs
MIN_GROUPS, MAX_GROUPS = 3, 15
MAX_SECONDS = 1.0  # start no further group after this, once MIN_GROUPS are done
AHEAD_CYCLES = 20_000_000  # about 10 ms, more than the host takes to queue a group


def milliseconds(call: Callable[[], Any], device: Device, ahead: bool = False) -> float:
    """Return the median time of one call, which queues its work on `device`."""
    group = partial(_between_events, ahead=ahead) if device.kind == "cuda" else _between_ticks
    for _ in range(WARM_UP_CALLS[device.kind]):
        one = group(call, 1, device)
    calls = max(1, min(MAX_CALLS, round(MIN_GROUP_MS[device.kind] / one)))
    times: list[float] = []
    while len(times) < MIN_GROUPS or (len(times) < MAX_GROUPS and sum(times) < 1000 * MAX_SECONDS):
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
    """Keep a GPU busy for `times` AHEAD_CYCLES, while the host queues the work to be timed."""
    cuda = device.xp.cuda
    own = cuda.get_current_stream()
    cuda.Stream.null.use()
    try:
        _spin(device)((1,), (1,), (np.int64(times * AHEAD_CYCLES),))
    finally:
        own.use()  # a `with` over the default stream would not restore it


@cache
def _spin(device: Device) -> Any:
    """Return a kernel that runs for a number of cycles."""
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
