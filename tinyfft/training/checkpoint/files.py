"""Checkpoints: named arrays and texts in a safetensors file.

A file is replaced atomically. `save` writes a temporary file in the same folder, forces it to the disk and renames it.
`load` compares names, shapes and dtypes with the network's before it writes the first value. A checksum detects later
damage.
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
"""The metadata's key of the checksum over the arrays and the other metadata."""

NETWORK, OPTIMIZER = "network.", "optimizer."
"""Prefixes of the names of a network's and an optimizer's arrays in the checkpoint of a training."""

_BROKEN = (SafetensorError, ValueError, TypeError, KeyError, OverflowError, MemoryError)


class CheckpointError(ValueError):
    """A file is not a checkpoint, or the checkpoint of another network."""


def save(path: str | os.PathLike[str], arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write arrays of any device, and metadata. Raises OSError, naming the path, if the file cannot be written."""
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
    """Return (arrays by name, metadata).

    Raises CheckpointError if the file is not a whole safetensors file or its checksum is wrong, OSError if the file
    cannot be read. A file of another program has no checksum.
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
        raise CheckpointError(f"{path} is damaged: its checksum does not match its content")
    return arrays, metadata


def load(path: str | os.PathLike[str], network: Module) -> dict[str, str]:
    """Copy the arrays from the checkpoint of a network or of a training into `network`; return the metadata.

    Raises CheckpointError, and changes nothing, if names, shapes or dtypes differ from the network's.
    """
    arrays, metadata = read(path)
    put(arrays, network, str(path))
    return metadata


def put(arrays: Mapping[str, np.ndarray], network: Module, source: str) -> None:
    """Do the same as `load` with arrays that `read` has returned; `source` names them in errors."""
    inside = {name.removeprefix(NETWORK): array for name, array in arrays.items() if name.startswith(NETWORK)}
    copy(inside or arrays, network.state(), network.device, source)
    network.weights_changed()


def copy(arrays: Mapping[str, np.ndarray], targets: Mapping[str, Array], device: Device, source: str) -> None:
    """Copy arrays of the host into the targets of the same names on `device`.

    Raises CheckpointError, naming the `source`, and changes nothing, if names, shapes or dtypes differ.
    """
    missing, unknown = targets.keys() - arrays.keys(), arrays.keys() - targets.keys()
    if missing or unknown:
        raise CheckpointError(
            f"{source} is of another network: arrays missing in it: {', '.join(sorted(missing)) or 'none'}; "
            f"missing in the network: {', '.join(sorted(unknown)) or 'none'}"
        )
    for name, target in targets.items():
        array = arrays[name]
        if (array.shape, array.dtype) != (target.shape, target.dtype):
            raise CheckpointError(
                f"{source} is of another network: {name} has shape {array.shape} and dtype {array.dtype}, "
                f"expected {target.shape} and {target.dtype}"
            )
    for name, target in targets.items():
        target[...] = device.array(arrays[name])


def _checksum(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """Return the SHA-256 of all names, values and texts, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.data)
    for name, text in sorted(metadata.items()):
        if name != CHECKSUM:
            digest.update(f"{name} {len(text)}\n{text}".encode())
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    """Force the folder's new entry to the disk."""
    if os.name != "posix":  # Windows cannot open folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
