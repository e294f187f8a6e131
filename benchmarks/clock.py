"""How long a call takes: the median over groups of calls, by CUDA events on a GPU, by the wall clock on a CPU.

On a GPU a group is several calls between two events, so that the host's part is hidden, as it is in a running network.
Events are recorded on CuPy's current stream. PyTorch's is the same one, the default stream, unless somebody changes it.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

from tinyfft.backend import Device

CALLS = {"cpu": 1, "cuda": 5}  # in a group
WARM_UP = {"cpu": 1, "cuda": 2}  # groups: algorithms are chosen and buffers made
GROUPS = (3, 15)  # at least and at most
SECONDS = 2.0  # no further group after these, if the fewest are done


def milliseconds(call: Callable[[], Any], device: Device) -> float:
    """Of one call, queued on `device`."""
    calls = CALLS[device.kind]
    group = _between_events if device.kind == "cuda" else _between_ticks
    for _ in range(WARM_UP[device.kind]):
        group(call, calls, device)
    times: list[float] = []
    while len(times) < GROUPS[0] or (len(times) < GROUPS[1] and sum(times) < 1000 * SECONDS):
        times.append(group(call, calls, device))
    return statistics.median(times) / calls


def _between_events(call: Callable[[], Any], calls: int, device: Device) -> float:
    cuda = device.xp.cuda
    start, end = cuda.Event(), cuda.Event()
    start.record()
    for _ in range(calls):
        call()
    end.record()
    end.synchronize()
    return cuda.get_elapsed_time(start, end)


def _between_ticks(call: Callable[[], Any], calls: int, _: Device) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return 1000 * (time.perf_counter() - start)
