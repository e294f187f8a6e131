"""What decides the last bits of a training beside its configuration: processor, libraries, threads."""

import numpy as np
from threadpoolctl import ThreadpoolController

import tinyfft
from tinyfft import parallel
from tinyfft.backend import Device


def describe(device: Device) -> dict[str, str]:
    """{name: text}: two machines with the same texts compute the same bits."""
    blas = ThreadpoolController().select(user_api="blas").info()
    found = {
        "tinyfft": tinyfft.__version__,
        "numpy": np.__version__,
        "device": str(device),
        "hardware": device.hardware,
        "BLAS": ", ".join(f"{each['internal_api']} {each['version']} {each.get('architecture', '')}" for each in blas),
        "BLAS threads": str(parallel.threads()),
    }
    return found | ({"cupy": device.xp.__version__} if device.kind == "cuda" else {})


def differences(earlier: dict[str, str], now: dict[str, str]) -> list[str]:
    """One text for each thing that is not the same."""
    names = {**earlier, **now}
    return [f"{n} was {earlier.get(n)}, is {now.get(n)}" for n in names if earlier.get(n) != now.get(n)]
