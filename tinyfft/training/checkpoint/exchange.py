"""Weights to and from a PyTorch state_dict, for networks with the same modules in the same order.

Both nn.Sequential number their modules in the same way, and layers give their arrays the same names. PyTorch's
normalisation has one more array, num_batches_tracked: it is written as 0, and ignored when it is read.
Source  torch.nn.Module.state_dict, documentation; compared in the tests
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinyfft.backend import to_host
from tinyfft.nn.module import Module
from tinyfft.training.checkpoint.files import copy

COUNTER = "num_batches_tracked"


def state_dict(network: Module) -> dict[str, np.ndarray]:
    """Return copies of the network's arrays on the host, under PyTorch's names."""
    arrays = {name: np.array(to_host(array)) for name, array in network.state().items()}
    counted = [name.rpartition(".")[0] for name in arrays if name.endswith("running_mean")]
    return arrays | {f"{module}.{COUNTER}".lstrip("."): np.zeros((), np.int64) for module in counted}


def load_state_dict(network: Module, state: Mapping[str, Any]) -> None:
    """Copy a state_dict of tensors (on any device) or arrays into the network.

    Raises CheckpointError, and changes nothing, if names, shapes or dtypes differ from the network's.
    """
    arrays = {name: _array(value) for name, value in state.items() if name.rpartition(".")[2] != COUNTER}
    copy(arrays, network.state(), network.device, "the state_dict")
    network.weights_changed()


def _array(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)
