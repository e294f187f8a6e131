"""Arrays and texts on disk in safetensors, and weights to and from PyTorch.

save(path, network.state(), {"epoch": "3"})
metadata = load(path, network)                    # of a network alone, or of a whole training
model.load_state_dict({name: torch.from_numpy(a) for name, a in state_dict(network).items()})
load_state_dict(network, model.state_dict())
"""

from tinyfft.checkpoint.exchange import load_state_dict, state_dict
from tinyfft.checkpoint.files import NETWORK, OPTIMIZER, CheckpointError, copy, load, put, read, save

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
