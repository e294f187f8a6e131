"""How far the passes of a convolution are from float64: max|y - reference| / max|reference|.

The reference is PyTorch's convolution in float64 without cuDNN and oneDNN, whose fp32 results are among what is judged.
"""

import math

import torch

from benchmarks.peers import gradients
from benchmarks.shapes import Layer
from tinyfft.backend import Array

SAMPLES = 16
"""At a time: what PyTorch unfolds in float64 would not fit into memory for a whole minibatch."""


def reference(layer: Layer, x: Array, weight: Array, bias: Array, gy: Array) -> list[torch.Tensor]:
    """The three passes in float64: output, gradient of the input, gradient of the weights."""
    w, b = (torch.as_tensor(a).double() for a in (weight, bias))
    outputs, inputs, of_weight = [], [], torch.zeros_like(w)
    with torch.backends.cudnn.flags(enabled=False):
        for first in range(0, len(x), SAMPLES):
            part, gradient = (torch.as_tensor(a[first : first + SAMPLES]).double() for a in (x, gy))
            outputs.append(torch.nn.functional.conv2d(part, w, b, padding=layer.padding))
            of_x, of_w, _ = gradients(layer, part, w, gradient, (True, True, False))
            inputs.append(of_x)
            of_weight += of_w
    return [torch.cat(outputs), torch.cat(inputs), of_weight]


def error(values: Array | torch.Tensor, expected: torch.Tensor) -> float:
    """max|values - expected| / max|expected|; NaN if there is a NaN."""
    difference = (torch.as_tensor(values).double() - expected).abs().max()
    return float(difference / expected.abs().max())


def worst(errors: list[float]) -> float:
    """The largest, or NaN if there is one, which the builtin would forget."""
    return math.nan if any(math.isnan(each) for each in errors) else max(errors)
