"""Checkpoints in safetensors files, and the exchange of weights with PyTorch.

save(path, network.state(), {"epoch": "3"})
metadata = load(path, network)  # from the checkpoint of a network or of a training
model.load_state_dict({name: torch.from_numpy(a) for name, a in state_dict(network).items()})
load_state_dict(network, model.state_dict())
"""

from tinyfft.training.checkpoint.exchange import load_state_dict, state_dict
from tinyfft.training.checkpoint.files import NETWORK, OPTIMIZER, CheckpointError, copy, load, put, read, save

__all__ = [
    "NETWORK",
    "OPTIMIZER",
    "CheckpointError",
    "copy",
    "load",
    "load_state_dict",
    "put",
    "read",
    "save",
    "state_dict",
]
