"""Autotuning: the fastest of several candidates, measured once on a machine and cached on disk.

The file is autotune.json in `files.cache_folder()`. It holds the choices of each machine, named by all that
machine.describe says of it, for this version of tinyfft alone. To measure again, delete it. A file that cannot be read
or written costs time, not results.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import Any

from tinyfft import backend, files, gpu, machine
from tinyfft.backend import Device
from tinyfft.cuda import graph
from tinyfft.gpu import Source
from tinyfft.version import __version__

ROUNDS = 4
MIN_SECONDS = 1e-3  # of a measurement: long beside the host's 20 us, and enough for a GPU's clock to rise
CALLS_PER_GRAPH = 4
SLOW = 1.5  # a candidate that once took this many times the fastest one's time is not measured again

Candidates = Mapping[str, Callable[[], Any]]

_tables: dict[Device, dict[str, str]] = {}
"""The choices of each device that was asked for in this process."""


def table(device: Device) -> dict[str, str]:
    """Return what has been chosen on this device, by this process or an earlier one, by problem."""
    if device not in _tables:
        _tables[device] = _read().get(_name(device), {})
    return _tables[device]


def fastest(
    device: Device, problem: str, candidates: Candidates, kernels: Callable[[], Iterable[Source]] = tuple
) -> str:
    """Return the name of the candidate that solves `problem`, any text, in the least time.

    kernels  returns the kernels that the candidates need; they are compiled side by side before any is measured
    What the table knows is not measured again. During graph capture nothing can be measured: an unknown choice falls
    back to the first candidate.
    """
    known = table(device)
    if known.get(problem) not in candidates:
        if backend.is_capturing():
            return next(iter(candidates))
        gpu.compile_all(kernels(), device)
        seconds = benchmark(candidates, device)
        known[problem] = min(seconds, key=seconds.get)
        _write(device)
    return known[problem]


def benchmark(candidates: Candidates, device: Device) -> dict[str, float]:
    """Return the seconds of a call of each candidate: the least of several rounds, since noise only ever adds.

    Every candidate is called once to warm up. Rounds alternate between candidates, because a GPU's clock rises with
    its work. Candidates that run out of memory are left out; if all do, the first MemoryError is raised.
    """
    possible = {name: call for name, call in candidates.items() if _has_memory(call)}
    if not possible:
        next(iter(candidates.values()))()
    least = dict.fromkeys(possible, float("inf"))
    for _ in range(ROUNDS):
        for name, call in possible.items():
            if least[name] == float("inf") or least[name] <= SLOW * min(least.values()):
                least[name] = min(least[name], _seconds(call, device))
    return least


def _has_memory(call: Callable[[], Any]) -> bool:
    try:
        call()
    except MemoryError:
        return False
    return True


def _seconds(call: Callable[[], Any], device: Device) -> float:
    """Return the seconds of a call, made as often in a row as fills MIN_SECONDS.

    Where the device captures graphs, some calls are captured and replayed as a whole, as in a training step, without
    the host's time. A graph serves one measurement only: the next candidate may take the memory it was captured with.
    """
    run, calls = call, 1
    if device.captures:
        call()
        run, calls = graph.capture(lambda: [call() for _ in range(CALLS_PER_GRAPH)], device), CALLS_PER_GRAPH
    repeats, seconds = 1, _duration(run, 1, device)
    if seconds < MIN_SECONDS:
        repeats = ceil(MIN_SECONDS / max(seconds, 1e-6))  # a clock may stand still for a short call
        seconds = _duration(run, repeats, device)
    return seconds / (repeats * calls)


def _duration(run: Callable[[], Any], repeats: int, device: Device) -> float:
    """Return the seconds of some runs in a row, until the device is done."""
    device.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    device.synchronize()
    return time.perf_counter() - start


def _read() -> dict[str, dict[str, str]]:
    """Return the tables of all machines; empty without a file of this version."""
    with suppress(OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError):
        content = json.loads(_path().read_text(encoding="utf-8"))
        if content["version"] == __version__:
            return {name: _texts(choices) for name, choices in content["machines"].items()}
    return {}


def _texts(choices: dict[str, str]) -> dict[str, str]:
    return {problem: choice for problem, choice in choices.items() if isinstance(choice, str)}


def _write(device: Device) -> None:
    with suppress(OSError, RuntimeError):
        machines = _read()  # another process may have written meanwhile
        machines[_name(device)] = machines.get(_name(device), {}) | _tables[device]
        _path().parent.mkdir(parents=True, exist_ok=True)
        files.write_json(_path(), {"version": __version__, "machines": machines})


def _path() -> Path:
    return files.cache_folder() / "autotune.json"


def _name(device: Device) -> str:
    return json.dumps(machine.describe(device))
