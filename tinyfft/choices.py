"""What layers that choose by time have found out, kept on disk: measured once on a machine, not at every start.

One file, choices.json in `files.cache_folder()`; it holds the choices of each machine, which is all that
machine.describe says of it, for this version of tinyfft alone. To measure anew, delete it. A file that cannot be read,
or written, costs time, not results.
"""

import json
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

import tinyfft
from tinyfft import files, machine
from tinyfft.backend import Device

_known: dict[Device, dict[str, str]] = {}
"""The choices of each device that was asked for in this process."""


def chosen(device: Device, what: str, among: Collection[str], choose: Callable[[], str]) -> str:
    """The choice for `what`, any text: that which is known, if it is `among` those possible, else that of choose()."""
    if device not in _known:
        _known[device] = _read().get(_name(device), {})
    known = _known[device]
    if known.get(what) not in among:
        known[what] = choose()
        _write(device)
    return known[what]


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
