"""What has been found out by time, kept on disk: measured once on a machine, not at every start.

One file, choices.json in `files.cache_folder()`; it holds the choices of each machine, which is all that
machine.describe says of it, for this version of tinyfft alone. To measure anew, delete it. A file that cannot be read,
or written, costs time, not results.
"""

import json
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import Any

import tinyfft
from tinyfft import backend, compiling, files, gpu, machine
from tinyfft.backend import Device

TURNS = 4
LEAST = 1e-3  # seconds of a turn, beside which the host's 20 us are few, and in which a GPU's clock begins to rise
RECORDED = 4  # calls in a recording

_known: dict[Device, dict[str, str]] = {}
"""The choices of each device that was asked for in this process."""


def chosen(device: Device, what: str, among: Collection[str], choose: Callable[[], str]) -> str:
    """The choice for `what`, any text: that which is known, if it is `among` those possible, else that of choose()."""
    of_device = known(device)
    if of_device.get(what) not in among:
        choice = choose()
        if compiling.only_notes():  # nothing was measured
            return choice
        of_device[what] = choice
        _write(device)
    return of_device[what]


def known(device: Device) -> dict[str, str]:
    """What has been chosen on this device, by this process or an earlier one."""
    if device not in _known:
        _known[device] = _read().get(_name(device), {})
    return _known[device]


def fastest(device: Device, what: str, ways: dict[str, Callable[[], Any]]) -> str:
    """Of several ways to do `what` the one that takes least time, measured if it is not known.

    The last one, if it is not, in a recording, where nothing can be measured.
    """
    if backend.is_recording() and known(device).get(what) not in ways:
        return next(reversed(ways))
    return chosen(device, what, ways, lambda: least(seconds(ways, device)))


def least(seconds: Mapping[str, float]) -> str:
    return min(seconds, key=seconds.get)


def seconds(ways: Mapping[str, Callable[[], Any]], device: Device) -> dict[str, float]:
    """Seconds of a call of each way, in the fastest of its turns, after a call that warms up: noise only ever adds.

    They take turns, since a GPU's clock rises with its work. Without those for which there is no memory; if that is all
    of them, raises the first one's MemoryError. Where kernels are but noted, none of them takes time.
    """
    compiling.together(ways.values(), device)
    possible = {name: call for name, call in ways.items() if _has_memory(call)}
    if not possible:
        next(iter(ways.values()))()
    if compiling.only_notes():
        return dict.fromkeys(possible, 0.0)
    times: dict[str, list[float]] = {name: [] for name in possible}
    for _ in range(TURNS):
        for name, call in possible.items():
            times[name].append(_seconds_of(call, device))
    return {name: min(of) for name, of in times.items()}


def _has_memory(call: Callable[[], Any]) -> bool:
    try:
        call()
    except MemoryError:
        return False
    return True


def _seconds_of(call: Callable[[], Any], device: Device) -> float:
    """Of a call, in one turn: it is made once and, if that takes less than LEAST, again, as often in a row as fills it.

    On a GPU some calls are recorded and launched as a whole, as in a step that is, without the host's time; launches in
    a row are queued, and only the last one is waited for. A recording is for this turn alone: another way may take the
    memory that it was made with.
    """
    run, together = call, 1
    if device.records:
        call()
        run, together = gpu.capture(lambda: [call() for _ in range(RECORDED)], device), RECORDED
    times, lasted = 1, _duration(run, 1, device)
    if lasted < LEAST:
        times = ceil(LEAST / max(lasted, 1e-6))  # a clock may stand still for a short call
        lasted = _duration(run, times, device)
    return lasted / (times * together)


def _duration(run: Callable[[], Any], times: int, device: Device) -> float:
    """Seconds of so many runs in a row, until the device is done."""
    device.synchronize()
    start = time.perf_counter()
    for _ in range(times):
        run()
    device.synchronize()
    return time.perf_counter() - start


def _read() -> dict[str, dict[str, str]]:
    """Machine -> its choices; empty where there is no file of this version."""
    with suppress(OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError):
        content = json.loads(_path().read_text(encoding="utf-8"))
        if content["version"] == tinyfft.__version__:
            return {name: _texts(choices) for name, choices in content["machines"].items()}
    return {}


def _texts(choices: dict[str, str]) -> dict[str, str]:
    return {what: choice for what, choice in choices.items() if isinstance(choice, str)}


def _write(device: Device) -> None:
    with suppress(OSError, RuntimeError):
        machines = _read()  # another process may have written meanwhile
        machines[_name(device)] = machines.get(_name(device), {}) | _known[device]
        _path().parent.mkdir(parents=True, exist_ok=True)
        files.write_json(_path(), {"version": tinyfft.__version__, "machines": machines})


def _path() -> Path:
    return files.cache_folder() / "choices.json"


def _name(device: Device) -> str:
    return json.dumps(machine.describe(device))
