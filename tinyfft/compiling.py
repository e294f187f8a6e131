"""Kernels of a GPU compiled side by side: all that some calls need, before the first one is launched.

    compiling.together(calls, device)

A compiler takes up to a second for a kernel, on one core, and a step (recorded.py), or calls that are to be compared
(choices.py), need dozens. So the calls are made once while no kernel is launched: who would launch one asks `noted`
first. Then all cores compile what was noted. CuPy's own operations go on, with numbers that were not computed: what is
to last is not changed by them, or not while there are `only_notes`.
"""

import os
import threading
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from tinyfft.backend import Device

_thread = threading.local()  # others go on launching


def together(calls: Iterable[Callable[[], Any]], device: Device) -> None:
    """Compile the kernels of these calls. What they compute is not computed, and what they write undefined.

    Inside another one nothing: it notes what calls need when they are made. Raises what a compiler does.
    """
    if device.kind == "cpu" or only_notes():
        return
    _thread.noted = {}
    try:
        for call in calls:
            with suppress(MemoryError):  # which is the caller's to find out
                call()
    finally:
        kernels = _thread.noted
        del _thread.noted

    def compile_one(make: Callable[[], Any]) -> None:
        with device.xp.cuda.Device(device.index):  # of this thread
            make()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, kernels.values()))


def noted(what: Hashable, make: Callable[[], Any]) -> bool:
    """Whether nothing is to be launched now; then kernel `what`, which make() compiles and keeps, is noted."""
    if not only_notes():
        return False
    _thread.noted[what] = make
    return True


def only_notes() -> bool:
    """Whether nothing is to be launched now, since it is found out what would be."""
    return hasattr(_thread, "noted")
