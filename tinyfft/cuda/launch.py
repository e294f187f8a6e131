"""Kernels of a GPU, compiled once and launched on the current stream."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from ctypes import Structure, sizeof
from functools import lru_cache
from typing import Any

import numpy as np

from tinyfft.backend import Device
from tinyfft.cuda import cubin
from tinyfft.cuda.source import Source

TENSOR_CORES = 80
"""The first architecture whose tensor cores our kernels can use."""


def run(
    source: Source,
    name: str,
    blocks: tuple[int, int],
    threads: int,
    arguments: tuple,
    device: Device,
    shared_bytes: int = 0,
) -> None:
    """Launch kernel `name` on the current stream.

    blocks     the grid, along x and y
    arguments  arrays of the device, None for a null pointer, NumPy numbers and ctypes structures
    """
    arguments = tuple(by_value(argument) if isinstance(argument, Structure) else argument for argument in arguments)
    function(source, name, device, shared_bytes)(blocks, (threads,), arguments, shared_mem=shared_bytes)


def by_value(structure: Structure) -> np.ndarray:
    """Return a structure as CuPy passes it to a kernel by value: one item of its size."""
    return np.frombuffer(structure, f"V{sizeof(structure)}")


@lru_cache(maxsize=1024)
def function(source: Source, name: str, device: Device, shared_bytes: int) -> Any:
    """Return kernel `name` of a source, compiled."""
    kernel = _compiled(source, device).get_function(name)
    if shared_bytes > kernel.max_dynamic_shared_size_bytes:
        kernel.max_dynamic_shared_size_bytes = shared_bytes
    return kernel


@lru_cache(maxsize=1024)
def _compiled(source: Source, device: Device) -> Any:
    if source.architecture:
        return cubin.module(source.text(), source.architecture, device)
    module = device.xp.RawModule(code=source.text(), options=("-std=c++17",))
    module.compile()  # not only when the first kernel is asked for
    return module


def compile_all(sources: Iterable[Source], device: Device) -> None:
    """Compile sources side by side, for `run` to find: a compiler takes up to a second for one, on one core."""

    def compile_one(source: Source) -> None:
        with device.xp.cuda.Device(device.index):  # CuPy's current device is the thread's
            _compiled(source, device)

    if sources := list(dict.fromkeys(sources)):
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(compile_one, sources))


@lru_cache(maxsize=64)
def architecture(device: Device) -> int:
    """Return a GPU's compute capability as a number: 90 for 9.0."""
    return int(device.xp.cuda.Device(device.index).compute_capability)
