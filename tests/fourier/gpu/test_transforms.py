"""The path of a GPU through whole layers, on a machine without one: launcher, chunks, kernels built for the host."""

from types import SimpleNamespace

import host_gpu
import numpy as np
import pytest
from bfloat16 import BF16_BLOCK
from limits import least_bytes, limited
from measure import FP32_BOUND, error
from reference import convolution, gradients
from spectra import SHARED, poisoned

from tinyfft import arena, backend, nn
from tinyfft.cuda import launch as gpu_launch
from tinyfft.fourier import convolution as engine
from tinyfft.fourier.gpu import tensor_product, transforms
from tinyfft.nn import FFTConvolution

MULTIPLY = tensor_product.multiply

pytestmark = pytest.mark.skipif(host_gpu.COMPILER is None, reason="there is no C++ compiler on this machine")


class OnDevice(np.ndarray):
    """A NumPy array with a CuPy array's `data.ptr`, for what a launcher asks of its arguments."""

    @property
    def data(self):
        return SimpleNamespace(ptr=self.ctypes.data)


@pytest.fixture
def gpu(monkeypatch):
    """A device of the GPU's kind, its kernels being the host's and its products NumPy's."""
    monkeypatch.setattr(transforms, "shared_limit", lambda device: SHARED)
    monkeypatch.setattr(
        transforms,
        "launcher",
        lambda special, layout, device: lambda arguments: host_gpu.run(special, layout, *arguments),
    )
    monkeypatch.setattr(arena.Arena, "take", _poisoned_on_device)
    monkeypatch.setattr(backend.Device, "empty", _poisoned_on_device)
    monkeypatch.setattr(engine, "current_arena", lambda device: arena.Arena(device))
    return host_gpu.stands_in(monkeypatch)


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("precision", "bound"), [("fp32", FP32_BOUND), ("bf16", 2e-2)])
def test_a_whole_layer(gpu, precision, bound, stride, count, rng):
    """All three passes; also in chunks of one sample and one map."""
    layer = FFTConvolution(2, 3, 3, stride, padding=1, precision=precision)
    x, gy = on_device(rng, (2, 2, 7, 6)), on_device(rng, (2, 3, *(-(-n // stride) for n in (7, 6))))
    plan = layer.plan(x.shape)
    with limited(layer.device, plan.arena_bytes if count == 1 else least_bytes(plan)):
        y = layer.forward(x)
        gx = layer.backward(x, gy, 0.5)
    assert layer.chunks == (min(count, 2) if precision == "bf16" else count)  # one map takes as much as a run
    sizes = {"stride": (stride, stride), "padding": (1, 1)}
    of_x, of_weight, of_bias = gradients(x, layer.weight, gy, **sizes)
    assert error(y, convolution(x, layer.weight, layer.bias, **sizes)) <= bound
    assert error(gx, of_x) <= bound
    assert error(layer.gradWeight, 0.5 * of_weight) <= bound
    assert error(layer.gradBias, 0.5 * of_bias) <= bound


def test_bf16_spectra_take_two_bytes_a_part(gpu, rng):
    """Two bfloat16 in place of complex64: four bytes a number, and half the digits are gone."""
    layer = FFTConvolution(2, 3, 3, padding=1, precision="bf16", memory="keep")
    x = on_device(rng, (2, 2, 7, 6))
    layer.forward(x)
    plan = layer.plan(x.shape)
    S, C, F = 2 * plan.tiles, BF16_BLOCK, BF16_BLOCK  # maps in whole runs
    assert layer.kept_bytes == 4 * plan.Q * (S * C + F * C)
    assert plan.spectra_bytes == 4 * plan.Q * (S * C + F * C + S * F)
    assert layer.weight.dtype == layer.output.dtype == np.float32
    assert error(layer.output, convolution(x, layer.weight, layer.bias, padding=(1, 1))) > 1e-4


@pytest.mark.parametrize("in_chunks", [False, True])
@pytest.mark.parametrize("cut", [{}, {"stride": 2}, {"tile": 4}, {"tile": 3, "stride": 2}], ids=str)
def test_bf16_of_more_maps_than_a_run(gpu, cut, in_chunks, rng):
    """Also in chunks of some of them, which do not follow each other in memory from one sample to the next."""
    layer = FFTConvolution(BF16_BLOCK + 1, BF16_BLOCK + 3, 3, padding=1, precision="bf16", **cut)
    stride = cut.get("stride", 1)
    shapes = ((2, BF16_BLOCK + 1, 7, 6), (2, BF16_BLOCK + 3, -(-7 // stride), -(-6 // stride)))
    x, gy = (on_device(rng, shape) for shape in shapes)
    plan = layer.plan(x.shape)
    with limited(layer.device, least_bytes(plan) if in_chunks else plan.arena_bytes):
        y = layer.forward(x)
        gx = layer.backward(x, gy)
    assert layer.chunks == (4 if in_chunks else 1)
    sizes = {"stride": (stride, stride), "padding": (1, 1)}
    of_x, of_weight, of_bias = gradients(x, layer.weight, gy, **sizes)
    found = (y, gx, layer.gradWeight, layer.gradBias)
    expected = (convolution(x, layer.weight, layer.bias, **sizes), of_x, of_weight, of_bias)
    for array, reference in zip(found, expected, strict=True):
        assert error(array, reference) <= 2e-2


def test_relu_on_the_way_through_a_chain(gpu, rng):
    chain = nn.Sequential(FFTConvolution(2, 3, 3, padding=1), nn.ReLU())
    x, gy = on_device(rng, (2, 2, 7, 6)), on_device(rng, (2, 3, 7, 6))
    y = chain.forward(x)
    gx = chain.backward(x, gy)
    before = convolution(x, chain[0].weight, chain[0].bias, padding=(1, 1))
    masked = np.where(before > 0, gy, 0)
    assert y is chain[0].output is chain[1].output
    assert error(y, np.maximum(before, 0)) <= FP32_BOUND
    assert np.array_equal(chain[1].gradInput, masked.astype(np.float32))
    assert error(gx, gradients(x, chain[0].weight, masked, padding=(1, 1))[0]) <= FP32_BOUND


@pytest.mark.parametrize("offset", [0, 1])
def test_planes_that_begin_at_an_odd_number_are_not_read_in_pairs(gpu, monkeypatch, offset, rng):
    """A GPU reads two float32 as one only where their address is a multiple of eight."""
    specials, launcher = [], transforms.launcher
    monkeypatch.setattr(
        transforms, "launcher", lambda kernel, *rest: specials.append(kernel) or launcher(kernel, *rest)
    )
    layer = FFTConvolution(2, 3, 3, padding=1)
    numbers = on_device(rng, (2 * 2 * 6 * 6 + 2,))
    begin = offset + numbers.data.ptr % 8 // 4
    x = numbers[begin : begin + 2 * 2 * 6 * 6].reshape(2, 2, 6, 6)
    assert error(layer.forward(x), convolution(x, layer.weight, layer.bias, padding=(1, 1))) <= FP32_BOUND
    assert specials[0].stem == "spectrum"
    assert specials[0].aligned == (offset == 0)


def test_arrays_that_no_kernel_can_read_are_named(gpu, rng):
    layer = FFTConvolution(2, 3, 3)
    with pytest.raises(
        ValueError, match=r"planes of shape \(2, 2, 6, 5\) have strides .*, expected each sample in C order"
    ):
        layer.forward(on_device(rng, (2, 2, 5, 6)).swapaxes(2, 3))


def on_device(rng, shape):
    return rng.standard_normal(shape).astype(np.float32).view(OnDevice)


def _poisoned_on_device(owner, shape, dtype):
    unsigned = np.dtype(dtype).kind == "u"  # all bits set: both bfloat16 of a uint32 are NaN
    return (np.full(shape, np.iinfo(dtype).max, dtype) if unsigned else poisoned(shape, dtype)).view(OnDevice)


@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"tile": 4}, {"precision": "bf16"}], ids=str)
@pytest.mark.parametrize("relu", [False, True])
def test_the_passes_launch_the_kernels_that_the_plan_declares(gpu, monkeypatch, relu, options, rng):
    launched = []
    monkeypatch.setattr(transforms, "launcher", lambda kernel, *_: lambda arguments: launched.append(kernel.source()))
    monkeypatch.setattr(tensor_product, "multiply", MULTIPLY)
    monkeypatch.setattr(gpu_launch, "run", lambda source, *_: launched.append(source))
    monkeypatch.setattr("tinyfft.nn.fft_convolution.add_column_sums", lambda *_: None)
    transforms._prepared.cache_clear()
    layer = FFTConvolution(33, 34, 3, padding=1, **options)
    chain = nn.Sequential(layer, *([nn.ReLU()] if relu else []))
    x = on_device(rng, (4, 33, 7, 6))
    chain.backward(x, on_device(rng, chain.forward(x).shape))
    transforms._prepared.cache_clear()
    declared = engine.kernels(layer.plan(x.shape), engine.PASSES, layer.device, relu)
    assert len(set(launched)) > 6
    assert set(launched) <= set(declared)
