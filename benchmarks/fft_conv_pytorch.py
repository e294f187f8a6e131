"""fft-conv-pytorch beside us: the package that PyTorch's users install for convolution through FFTs.

It is timed as they call it, in fp32: forward, and forward with the backward that autograd derives from it.
"""

from typing import Any

import torch

from benchmarks import accuracy
from benchmarks.clock import milliseconds
from benchmarks.peers import set_precision
from benchmarks.shapes import Layer
from tinyfft.backend import Array, Device


def measure(layer: Layer, arrays: tuple[Array, Array, Array, Array], device: Device) -> dict[str, Any]:
    """Milliseconds and the output's error on input, weights, bias and gradOutput.

    It unfolds the product over the minibatch: where that does not fit into memory, "failure" says so, and what was
    measured before is kept.
    """
    from fft_conv_pytorch import fft_conv  # needed here alone, so that all else runs without it

    set_precision("fp32")
    expected = accuracy.reference(layer, *arrays)[0]
    leaves = [torch.as_tensor(array).clone().requires_grad_() for array in arrays[:3]]
    gradient = torch.as_tensor(arrays[3])
    found: dict[str, Any] = {}

    def forward() -> torch.Tensor:
        return fft_conv(*leaves, padding=layer.padding)

    def both() -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(forward(), leaves, gradient)

    try:
        with torch.no_grad():
            found["error"] = accuracy.error(forward(), expected)
            found["forward_ms"] = milliseconds(forward, device, ahead=True)
        found["forward_backward_ms"] = milliseconds(both, device, ahead=True)
    except RuntimeError as error:
        if not _out_of_memory(error):
            raise
        found["failure"] = "out of memory"
    return found


def _out_of_memory(error: RuntimeError) -> bool:
    # on a CPU PyTorch has no class of its own for it
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
