"""PyTorch's passes, the float64 reference and fft-conv-pytorch, on a small layer, against sums from the definition."""

import math

import pytest
import reference
from measure import FP32_BOUND, FP64_BOUND, error

from benchmarks.shapes import Layer
from tinyfft.backend import current_device

pytestmark = pytest.mark.torch

# more samples than the reference takes at a time
LAYERS = (Layer(18, 2, 3, 6, 3), Layer(18, 2, 3, 6, 3, "same"), Layer(18, 2, 3, 6, 3, 1))


def truth(layer, x, weight, bias, gy):
    output = reference.convolution(x, weight, bias, padding=layer.padding)
    return [output, *reference.gradients(x, weight, gy, padding=layer.padding)]


@pytest.mark.parametrize("layer", LAYERS)
def test_the_reference_is_the_definition(layer):
    from benchmarks import accuracy, layer_timing

    arrays = layer_timing.arrays(layer, current_device())
    found = accuracy.reference(layer, *arrays)
    for tensor, expected in zip(found, truth(layer, *arrays), strict=False):
        assert error(tensor.numpy(), expected) <= FP64_BOUND
    assert len(found) == 3


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("layout", ["NCHW", "channels_last"])
def test_pytorchs_passes_are_the_definition(layer, layout):
    from benchmarks import layer_timing, peers

    arrays = layer_timing.arrays(layer, current_device())
    calls = peers.passes(layer, "fp32", layout, *arrays)
    for call, expected in zip(calls.values(), truth(layer, *arrays), strict=False):
        assert error(call().numpy(), expected) <= FP32_BOUND
    assert list(calls) == list(peers.PASSES)


def test_the_gradient_of_the_bias_is_asked_for_too():
    import torch

    from benchmarks import layer_timing, peers

    layer = LAYERS[0]
    x, weight, _, gy = arrays = layer_timing.arrays(layer, current_device())
    of_bias = peers.gradients(layer, *(torch.as_tensor(a) for a in (x, weight, gy)), (False, True, True))[2]
    assert error(of_bias.numpy(), truth(layer, *arrays)[3]) <= FP32_BOUND


def test_a_nan_is_never_a_small_error():
    import torch

    from benchmarks import accuracy

    expected = torch.ones(3, dtype=torch.float64)
    assert math.isnan(accuracy.error(torch.tensor([1.0, math.nan, 1.0]), expected))
    assert math.isnan(accuracy.worst([math.nan, 1.0]))
    assert math.isnan(accuracy.worst([1.0, math.nan]))
    assert accuracy.worst([1.0, 2.0]) == 2.0


def test_a_layer_is_measured_whole(monkeypatch):
    from benchmarks import layer_timing

    monkeypatch.setattr("benchmarks.layer_timing.milliseconds", lambda call, device, ahead: (call(), 2.0)[1])
    monkeypatch.setattr("benchmarks.peers.milliseconds", lambda call, device, ahead: (call(), 3.0)[1])
    (row,) = layer_timing.rows(LAYERS[1], ("fp32",), current_device())
    assert row["ratio"] == dict.fromkeys(row["ours_ms"], 1.5) | {"sum": 4.5, "kept": 4.5}
    assert max(row["errors"].values()) <= FP32_BOUND
    assert max(row["peer_errors"].values()) <= FP32_BOUND


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")
def test_fft_conv_pytorch_that_lacks_memory_says_so(monkeypatch):
    pytest.importorskip("fft_conv_pytorch")
    import torch

    from benchmarks import fft_conv_pytorch, layer_timing

    def no_memory(call, device, ahead):
        call()
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(fft_conv_pytorch, "milliseconds", no_memory)
    arrays = layer_timing.arrays(LAYERS[1], current_device())
    found = fft_conv_pytorch.measure(LAYERS[1], arrays, current_device())
    assert found["failure"] == "out of memory"
    assert set(found) == {"error", "failure"}
    assert found["error"] <= FP32_BOUND
