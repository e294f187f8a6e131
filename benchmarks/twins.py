"""The PyTorch twin of a network: the same layers with copies of their weights, statistics and settings.

tinyfft's layers follow torch.nn, so each module has one counterpart there.
"""

import torch

from tinyfft import nn
from tinyfft.nn.convolution_layer import ConvolutionLayer


def twin(network: nn.Sequential) -> torch.nn.Sequential:
    """Return a torch.nn.Sequential on the network's device and in its mode that computes the same output.

    PyTorch's flags and autocast set its precision. Raises TypeError for a module without a counterpart.
    """
    return _chain(network).train(network.train)


class Residual(torch.nn.Module):
    """x + chain(x)."""

    def __init__(self, chain: torch.nn.Module) -> None:
        super().__init__()
        self.chain = chain

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.chain(x)


def _chain(network: nn.Sequential) -> torch.nn.Sequential:
    layers = []
    planes = True  # whether the output so far is planes (S, C, H, W) or vectors (S, C)
    for module in (network[index] for index in range(len(network))):
        planes = planes and not isinstance(module, (nn.Flatten, nn.Linear))
        layers.append(_counterpart(module, planes))
    return torch.nn.Sequential(*layers)


def _counterpart(module: nn.Module, planes: bool) -> torch.nn.Module:
    match module:
        case ConvolutionLayer():
            sizes = (module.in_channels, module.out_channels, module.kernel_size, module.stride, module.padding)
            return _with_arrays(torch.nn.Conv2d(*sizes, bias=module.bias is not None), module)
        case nn.Residual():
            return Residual(_chain(module))
        case nn.Linear():
            bias = module.bias is not None
            return _with_arrays(torch.nn.Linear(module.in_features, module.out_features, bias=bias), module)
        case nn.BatchNormalization():
            kind = torch.nn.BatchNorm2d if planes else torch.nn.BatchNorm1d
            affine = module.weight is not None
            return _with_arrays(kind(module.num_features, module.eps, module.momentum, affine), module)
        case nn.MaxPool():
            return torch.nn.MaxPool2d(module.kernel_size, module.stride, module.padding)
        case nn.AveragePool():
            return torch.nn.AvgPool2d(module.kernel_size, module.stride, module.padding)
        case nn.ReLU():
            return torch.nn.ReLU()
        case nn.Flatten():
            return torch.nn.Flatten()
        case nn.Dropout():
            return torch.nn.Dropout(module.p)
        case nn.LogSoftMax():
            return torch.nn.LogSoftmax(dim=1)
    raise TypeError(f"twin: {type(module).__name__} has no counterpart in torch.nn")


def _with_arrays(layer: torch.nn.Module, module: nn.Module) -> torch.nn.Module:
    """Return the layer with copies of the module's parameters and statistics, in its dtype and on its device."""
    names = (*module.parameter_names, *module.buffer_names)
    arrays = {name: torch.as_tensor(getattr(module, name)).clone() for name in names}
    first = next(iter(arrays.values()))
    layer = layer.to(device=first.device, dtype=first.dtype)
    # the layer's own state too: BatchNorm counts minibatches, which tinyfft does not
    layer.load_state_dict(layer.state_dict() | arrays)
    return layer
