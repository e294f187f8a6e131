"""Time one layer's three passes in tinyfft and in PyTorch, after comparing both with a float64 convolution."""

from collections.abc import Iterator, Sequence

import torch

import tinyfft
from benchmarks import accuracy, peers
from benchmarks.clock import milliseconds
from benchmarks.report import Row
from benchmarks.shapes import Layer
from tinyfft import nn
from tinyfft.backend import Array, Device
from tinyfft.nn.convolution_layer import PASSES, ConvolutionLayer


def rows(layer: Layer, precisions: Sequence[str], device: Device) -> Iterator[Row]:
    """Yield errors and milliseconds of one layer at each precision, for both sides."""
    if not precisions:
        return
    given = arrays(layer, device)
    expected = accuracy.reference(layer, *given)
    for precision in precisions:
        peers.free_memory(device)
        row = _measure(layer, precision, given, expected, device)
        peers.free_memory(device)
        yield row


def _measure(
    layer: Layer, precision: str, given: tuple[Array, ...], expected: list[torch.Tensor], device: Device
) -> Row:
    x, weight, bias, gy = given
    ours, kept = (
        convolution(nn.FFTConvolution, layer, weight, bias, precision=precision, memory=memory)
        for memory in ("recompute", "keep")
    )
    calls = {layout: peers.passes(layer, precision, layout, *given) for layout in peers.LAYOUTS}
    errors, peer_errors = _errors(ours, x, gy, expected), _peer_errors(calls, expected)
    times = own_times(ours, x, gy, device)
    times["kept"] = milliseconds(lambda: (kept.updateOutput(x), kept.backward(x, gy)), device, ahead=True)
    peer_times, layouts = peers.time_passes(calls, device)
    peer_times["sum"] = sum(peer_times.values())
    plan = ours.plan(x.shape)
    return {
        "shape": layer._asdict(),
        "precision": precision,
        "lengths": plan.lengths,
        "tiles": plan.tiles,
        "ours_ms": times,
        "peer_ms": peer_times,
        "peer_layouts": layouts,
        "ratio": {name: peer_times["sum" if name == "kept" else name] / times[name] for name in times},
        "errors": errors,
        "peer_errors": peer_errors,
    }


def arrays(layer: Layer, device: Device) -> tuple[Array, Array, Array, Array]:
    """Return input, weights, bias and gradOutput: the same numbers at every call."""
    rng = device.xp.random.default_rng(7)
    out = layer.n if layer.padding == "same" else layer.n + 2 * layer.padding - layer.k + 1
    tinyfft.manual_seed(7)
    drawn = nn.FFTConvolution(layer.C, layer.F, layer.k)
    x, gy = (
        rng.standard_normal((layer.S, maps, size, size), dtype=device.xp.float32)
        for maps, size in ((layer.C, layer.n), (layer.F, out))
    )
    return x, drawn.weight, drawn.bias, gy


def convolution(
    kind: type[ConvolutionLayer], layer: Layer, weight: Array, bias: Array, **options: str
) -> ConvolutionLayer:
    """Return a tinyfft layer with copies of these weights."""
    ours = kind(layer.C, layer.F, layer.k, padding=layer.padding, **options)
    ours.weight[...], ours.bias[...] = weight, bias
    return ours


def own_times(ours: ConvolutionLayer, x: Array, gy: Array, device: Device) -> dict[str, float]:
    """Return milliseconds of each tinyfft pass, and of forward and backward together as "sum"."""
    calls = {
        "updateOutput": lambda: ours.updateOutput(x),
        "updateGradInput": lambda: ours.updateGradInput(x, gy),
        "accGradParameters": lambda: ours.accGradParameters(x, gy),
        "sum": lambda: (ours.updateOutput(x), ours.backward(x, gy)),
    }
    return {name: milliseconds(call, device, ahead=True) for name, call in calls.items()}


def _errors(ours: ConvolutionLayer, x: Array, gy: Array, expected: list[torch.Tensor]) -> dict[str, float]:
    ours.forward(x)
    ours.zeroGradParameters()
    results = dict(zip(PASSES, (ours.output, ours.backward(x, gy), ours.gradWeight), strict=True))
    return {name: accuracy.error(results[name], truth) for name, truth in zip(PASSES, expected, strict=True)}


def _peer_errors(calls: dict[str, peers.Passes], expected: list[torch.Tensor]) -> dict[str, float]:
    """Return PyTorch's error in each pass, in its worse layout."""
    return {
        name: accuracy.worst([accuracy.error(passes[name](), truth) for passes in calls.values()])
        for name, truth in zip(PASSES, expected, strict=True)
    }
