"""The parts of a machine that affect the last bits of a training: processor, libraries, threads."""

import numpy as np
from threadpoolctl import ThreadpoolController

from tinyfft import parallel
from tinyfft.backend import Device
from tinyfft.version import __version__


def describe(device: Device) -> dict[str, str]:
    """Return {name: text}. Two machines with equal descriptions compute the same bits."""
    blas = ThreadpoolController().select(user_api="blas").info()
    description = {
        "tinyfft": __version__,
        "numpy": np.__version__,
        "device": str(device),
        "hardware": device.hardware,
        "BLAS": ", ".join(f"{each['internal_api']} {each['version']} {each.get('architecture', '')}" for each in blas),
        "BLAS threads": str(parallel.threads()),
    }
    return description | ({"cupy": device.xp.__version__} if device.kind == "cuda" else {})


def differences(earlier: dict[str, str], now: dict[str, str]) -> list[str]:
    """Return a text for each difference between two descriptions."""
    names = {**earlier, **now}
    return [f"{n} was {earlier.get(n)}, is {now.get(n)}" for n in names if earlier.get(n) != now.get(n)]
