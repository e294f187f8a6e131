"""Error of a convolution's passes against float64: max|y - reference| / max|reference|.

The reference is PyTorch's convolution in float64 without cuDNN and oneDNN, because their fp32 results are judged too.
"""

import math

import torch

from benchmarks.peers import gradients
from benchmarks.shapes import Layer
from tinyfft.backend import Array

SAMPLES_AT_ONCE = 16  # PyTorch unfolds the input, and a whole minibatch would not fit into memory in float64


def reference(layer: Layer, x: Array, weight: Array, bias: Array, gy: Array) -> list[torch.Tensor]:
    """Return the three passes in float64: output, gradient of the input, gradient of the weights."""
    w, b = (torch.as_tensor(a).double() for a in (weight, bias))
    outputs, inputs, weight_sum = [], [], torch.zeros_like(w)
    with torch.backends.cudnn.flags(enabled=False):
        for first in range(0, len(x), SAMPLES_AT_ONCE):
            part, gradient = (torch.as_tensor(a[first : first + SAMPLES_AT_ONCE]).double() for a in (x, gy))
            outputs.append(torch.nn.functional.conv2d(part, w, b, padding=layer.padding))
            of_x, of_w, _ = gradients(layer, part, w, gradient, (True, True, False))
            inputs.append(of_x)
            weight_sum += of_w
    return [torch.cat(outputs), torch.cat(inputs), weight_sum]


def error(values: Array | torch.Tensor, expected: torch.Tensor) -> float:
    """Return max|values - expected| / max|expected|, NaN if a value is NaN."""
    difference = (torch.as_tensor(values).double() - expected).abs().max()
    return float(difference / expected.abs().max())


def worst(errors: list[float]) -> float:
    """Return the largest error, or NaN if one is NaN, which the builtin max may drop."""
    return math.nan if any(math.isnan(each) for each in errors) else max(errors)
