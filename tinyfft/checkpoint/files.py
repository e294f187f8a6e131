"""Arrays and texts in one safetensors file that is either the old one or the new one, never half of one.

The arrays go to a temporary name in the same folder, are forced to the disk, and then take the file's name in one
step. `load` compares names, shapes and dtypes with the network's before it writes the first value. A checksum over all
of it tells a file that was damaged later.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors import numpy as safetensors_numpy

from tinyfft.backend import Array, Device, to_host
from tinyfft.files import replacing
from tinyfft.nn.module import Module

CHECKSUM = "sha256"
"""The key of the metadata that says what the rest must add up to."""

NETWORK, OPTIMIZER = "network.", "optimizer."
"""With these the names of a network's and an optimizer's arrays begin in the checkpoint of a training."""

_BROKEN = (SafetensorError, ValueError, TypeError, KeyError, OverflowError, MemoryError)


class CheckpointError(ValueError):
    """A file that is no checkpoint, or not one of this network."""


def save(path: str | os.PathLike[str], arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write the arrays, from whatever device, and the metadata. Raises OSError, naming the path, if that fails."""
    path = Path(path)
    on_host = {name: np.ascontiguousarray(to_host(array)) for name, array in arrays.items()}
    data = safetensors_numpy.save(on_host, {**metadata, CHECKSUM: _checksum(on_host, metadata)})
    try:
        with replacing(path) as temporary, open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    except OSError as error:
        raise OSError(error.errno, f"the checkpoint cannot be written: {error.strerror}", str(path)) from error


def read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """(arrays by name, metadata).

    Raises CheckpointError if it is no whole safetensors file or its checksum is wrong (a file that others wrote has
    none), OSError if it cannot be read.
    """
    with open(path, "rb"):  # safetensors' own error for a missing file names no path
        pass
    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except _BROKEN as error:
        raise CheckpointError(f"{path} is not a checkpoint, or damaged: {error}") from error
    expected = metadata.pop(CHECKSUM, None)
    if expected is not None and expected != _checksum(arrays, metadata):
        raise CheckpointError(f"{path} is damaged: its checksum is not that of what it holds")
    return arrays, metadata


def load(path: str | os.PathLike[str], network: Module) -> dict[str, str]:
    """Copy a checkpoint's arrays (of a training's, those of its network) into the network's own; returns the metadata.

    Raises CheckpointError, and changes nothing, if names, shapes or dtypes are not the network's.
    """
    arrays, metadata = read(path)
    put(arrays, network, str(path))
    return metadata


def put(arrays: Mapping[str, np.ndarray], network: Module, source: str) -> None:
    """What `load` does with arrays that were read already."""
    inside = {name.removeprefix(NETWORK): array for name, array in arrays.items() if name.startswith(NETWORK)}
    copy(inside or arrays, network.state(), network.device, source)
    network.weights_changed()


def copy(arrays: Mapping[str, np.ndarray], targets: Mapping[str, Array], device: Device, source: str) -> None:
    """Copy arrays of the host into those of the same names on `device`.

    Raises CheckpointError, naming the `source`, and changes nothing, if names, shapes or dtypes differ.
    """
    missing, unknown = targets.keys() - arrays.keys(), arrays.keys() - targets.keys()
    if missing or unknown:
        raise CheckpointError(
            f"{source} is of another network: arrays missing in it: {', '.join(sorted(missing)) or 'none'}; "
            f"missing in the network: {', '.join(sorted(unknown)) or 'none'}"
        )
    for name, target in targets.items():
        came, expected = arrays[name], (target.shape, str(target.dtype))
        if (came.shape, str(came.dtype)) != expected:
            raise CheckpointError(
                f"{source} is of another network: {name} has shape {came.shape} and dtype {came.dtype}, "
                f"expected {expected[0]} and {expected[1]}"
            )
    for name, target in targets.items():
        target[...] = device.array(arrays[name])


def _checksum(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """SHA-256 of all names, values and texts, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.data)
    for name, text in sorted(metadata.items()):
        if name != CHECKSUM:
            digest.update(f"{name} {len(text)}\n{text}".encode())
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    """Force the new name to the disk too, where folders can be opened (not on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
