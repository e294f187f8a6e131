"""fft-conv-pytorch beside tinyfft: a package for PyTorch that convolves through FFTs.

It is timed in fp32: forward, and forward with autograd's backward.
"""

from typing import Any

import torch

from benchmarks import accuracy
from benchmarks.clock import milliseconds
from benchmarks.peers import set_precision
from benchmarks.shapes import Layer
from tinyfft.backend import Array, Device


def measure(layer: Layer, arrays: tuple[Array, Array, Array, Array], device: Device) -> dict[str, Any]:
    """Return the times and the output's error on input, weights, bias and gradOutput.

    The package unfolds the product over the minibatch. Where that exceeds the memory, the result has a "failure".
    """
    from fft_conv_pytorch import fft_conv  # optional: only this function needs it

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
        # on a CPU PyTorch raises a plain RuntimeError
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        found["failure"] = "out of memory"
    return found
