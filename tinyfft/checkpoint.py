"""Networks on disk: one safetensors file that is either the old one or the new one, never half of one.

    save(path, network.state(), {"epoch": "3"})
    metadata = load(path, network)

The arrays go to a temporary name in the same folder, are forced to the disk, and then take the file's name in one
step. `load` compares names, shapes and dtypes with the network's before it writes the first value.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors import numpy as safetensors_numpy

from tinyfft.backend import Array, to_host
from tinyfft.nn.module import Module


class CheckpointError(ValueError):
    """A file that is no checkpoint, or not one of this network."""


def save(path: str | os.PathLike[str], arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write the arrays, from whatever device, and the metadata. Raises OSError, naming the path, if that fails."""
    path = Path(path)
    on_host = {name: np.ascontiguousarray(to_host(array)) for name, array in arrays.items()}
    data = safetensors_numpy.save(on_host, dict(metadata))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise OSError(error.errno, f"the checkpoint cannot be written: {error.strerror}", str(path)) from error


def read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """(arrays by name, metadata). Raises CheckpointError if it is no whole safetensors file, OSError if unreadable."""
    with open(path, "rb"):  # safetensors' own error for a missing file names no path
        pass
    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a checkpoint, or damaged: {error}") from error


def load(path: str | os.PathLike[str], network: Module) -> dict[str, str]:
    """Copy a checkpoint's arrays into the network's own, and return the metadata.

    Raises CheckpointError, and changes nothing, if names, shapes or dtypes are not the network's.
    """
    arrays, metadata = read(path)
    state = network.state()
    _check(path, arrays, state)
    for name, target in state.items():
        target[...] = network.device.array(arrays[name])
    network.weights_changed()
    return metadata


def _check(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], state: Mapping[str, Array]) -> None:
    missing, unknown = state.keys() - arrays.keys(), arrays.keys() - state.keys()
    if missing or unknown:
        raise CheckpointError(
            f"{path} is of another network: arrays missing in it: {', '.join(sorted(missing)) or 'none'}; "
            f"missing in the network: {', '.join(sorted(unknown)) or 'none'}"
        )
    for name, target in state.items():
        came, expected = arrays[name], (target.shape, str(target.dtype))
        if (came.shape, str(came.dtype)) != expected:
            raise CheckpointError(
                f"{path} is of another network: {name} has shape {came.shape} and dtype {came.dtype}, "
                f"expected {expected[0]} and {expected[1]}"
            )


def _sync_folder(folder: Path) -> None:
    """Force the new name to the disk too, where folders can be opened (not on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
