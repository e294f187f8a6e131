"""The most bytes of a GPU that are held at once during a call, by CuPy's count and by PyTorch's.

What was held before it is included. Both count what their allocators have given out, not what these keep in reserve.
"""

import gc
from collections.abc import Callable
from typing import Any

import torch

from tinyfft.backend import Device


def cupy_peak_bytes(device: Device, call: Callable[[], Any]) -> int:
    """Of CuPy's memory pool, looked at after each allocation."""
    pool = device.xp.get_default_memory_pool()

    class Watch(device.xp.cuda.MemoryHook):
        name = "peak bytes"
        peak = pool.used_bytes()

        def malloc_postprocess(self, **_: Any) -> None:
            self.peak = max(self.peak, pool.used_bytes())

    with Watch() as watch:
        call()
    return watch.peak


def torch_peak_bytes(call: Callable[[], Any]) -> int:
    """Of PyTorch's caching allocator."""
    gc.collect()  # optimizers that are done with stand in cycles and hold their arrays
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()
