"""ReLU fused with a convolution before it or a MaxPool after it: the same arrays as without fusing."""

import numpy as np
import pytest
from limits import least_bytes, limited, most_chunks
from measure import FP32_BOUND, error

import tinyfft
from tinyfft import nn
from tinyfft.backend import to_host

KINDS = {
    "fft": lambda **options: nn.FFTConvolution(2, 3, 3, **options),
    "auto": lambda **options: nn.Convolution(2, 3, 3, **options),
    "algorithm fft": lambda **options: nn.Convolution(2, 3, 3, algorithm="fft", **options),
    "algorithm direct": lambda **options: nn.Convolution(2, 3, 3, algorithm="direct", **options),
    "direct": lambda **options: nn.DirectConvolution(2, 3, 3, **options),
}
OPTIONS = {
    "whole": {"padding": 1},
    "stride": {"stride": 2, "padding": 1},
    "tiles": {"tile": 3, "padding": 2},
    "kept": {"memory": "keep"},
    "no bias": {"bias": False},
}


def chain_and_pair(kind, options):
    """Return a Sequential of convolution and ReLU, and two separate modules with the same weights."""
    tinyfft.manual_seed(3)
    chain = nn.Sequential(KINDS[kind](**options), nn.ReLU())
    tinyfft.manual_seed(3)
    return chain, (KINDS[kind](**options), nn.ReLU())


def arrays(device, conv, rng):
    x = device.array(rng.standard_normal((3, 2, 9, 8), dtype=np.float32))
    plan = conv.plan(x.shape)
    gy = rng.standard_normal((3, 3, plan.y.axis.out, plan.x.axis.out), dtype=np.float32)
    return x, device.array(gy), plan


def one_by_one(conv, relu, x, gy, scale):
    relu.forward(conv.forward(x))
    return conv.backward(x, relu.backward(conv.output, gy), scale)


def check(chain, pair, x, gy):
    y, gx = chain.forward(x), chain.backward(x, gy, 0.5)
    expected = one_by_one(*pair, x, gy, 0.5)
    assert y is chain[1].output
    assert gx is chain[0].gradInput
    assert error(gx, to_host(expected)) <= FP32_BOUND
    assert chain[0].output is chain[1].output
    assert error(y, to_host(pair[1].output)) <= FP32_BOUND
    for ours, alone in zip((chain[0], chain[1]), pair, strict=True):
        assert error(ours.gradInput, to_host(alone.gradInput)) <= FP32_BOUND
    for ours, alone in zip(chain.parameters()[1], pair[0].parameters()[1], strict=True):
        assert error(ours, to_host(alone)) <= FP32_BOUND


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_results_equal_the_unfused_modules(device, kind, options, rng):
    chain, pair = chain_and_pair(kind, OPTIONS[options])
    x, gy, _ = arrays(device, chain[0], rng)
    check(chain, pair, x, gy)


def test_in_chunks(device, rng):
    chain, pair = chain_and_pair("fft", {"padding": 1})
    x, gy, plan = arrays(device, chain[0], rng)
    with limited(device, least_bytes(plan)):
        check(chain, pair, x, gy)
    assert chain[0].chunks == most_chunks(plan)


def test_without_gradInput_of_the_chain(device, rng):
    chain, pair = chain_and_pair("fft", {"padding": 1})
    x, gy, _ = arrays(device, chain[0], rng)
    chain.needs_gradInput = False
    chain.forward(x)
    assert chain.backward(x, gy) is None
    one_by_one(*pair, x, gy, 1)
    assert error(chain[1].gradInput, to_host(pair[1].gradInput)) <= FP32_BOUND
    assert error(chain[0].gradWeight, to_host(pair[0].gradWeight)) <= FP32_BOUND


def test_inside_a_chain(device, rng):
    def build():
        tinyfft.manual_seed(3)
        return nn.Sequential(nn.ReLU(), *chain_and_pair("fft", {"padding": 1})[1], nn.ReLU(), nn.MaxPool(2))

    chain, modules = build(), build()
    x = device.array(rng.standard_normal((3, 2, 8, 8), dtype=np.float32))
    y = chain.forward(x)
    output = x
    for index in range(len(modules)):
        output = modules[index].forward(output)
    assert error(y, to_host(output)) <= FP32_BOUND
    gy = device.array(rng.standard_normal(y.shape, dtype=np.float32))
    gx = chain.backward(x, gy)
    modules.forward(x)
    assert error(gx, to_host(modules.updateGradInput(x, gy))) <= FP32_BOUND


def test_backward_before_forward_is_named(device, rng):
    chain, _ = chain_and_pair("fft", {"padding": 1})
    x, gy, _ = arrays(device, chain[0], rng)
    with pytest.raises(
        ValueError, match=r"module 0 \(FFTConvolution\): FFTConvolution: backward was called before forward"
    ):
        chain.backward(x, gy)


BEFORE_RELU = {
    "convolution": lambda: nn.FFTConvolution(2, 3, 3, padding=1),
    "normalization": lambda: nn.BatchNormalization(2),
    "pooling": lambda: nn.AveragePool(1),
}


@pytest.mark.parametrize("kind", BEFORE_RELU)
@pytest.mark.parametrize("first", [True, False])
def test_max_pool_runs_the_backward_pass_of_the_relu_before_it(device, kind, first, rng, monkeypatch):
    """ReLU stands alone or is fused with the module before it, and runs once."""
    chain, alone = (
        nn.Sequential(*(() if first else (nn.MaxPool(1),)), BEFORE_RELU[kind](), nn.ReLU(), nn.MaxPool(2))
        for _ in range(2)
    )
    for ours, peer in zip(chain.parameters()[0], alone.parameters()[0], strict=True):
        peer[...] = ours
    x = device.array(rng.standard_normal((3, 2, 6, 8), dtype=np.float32))
    gy = device.array(rng.standard_normal((3, 2 if kind != "convolution" else 3, 3, 4), dtype=np.float32))
    modules, inputs = [alone[index] for index in range(len(alone))], [x]
    for module in modules:
        inputs.append(module.forward(inputs[-1]).copy())
    gradients = [gy]
    for module, input in zip(reversed(modules), reversed(inputs[:-1]), strict=True):
        gradients.append(module.backward(input, gradients[-1], 0.5).copy())
    given, backward = [], chain[-3].backward
    monkeypatch.setattr(chain[-3], "backward", lambda *arguments: given.append(len(arguments)) or backward(*arguments))
    monkeypatch.setattr(nn.ReLU, "updateGradInput", lambda *_: pytest.fail("ReLU ran twice"))
    assert error(chain.forward(x), to_host(inputs[-1])) <= FP32_BOUND
    assert error(chain.backward(x, gy, 0.5), to_host(gradients[-1])) <= FP32_BOUND
    assert given == [3]
    for ours, peer in zip(chain.parameters()[1], alone.parameters()[1], strict=True):
        assert error(ours, to_host(peer)) <= FP32_BOUND
    assert chain[-2].gradInput is chain[-1].gradInput
    if first:  # else a later module has overwritten it
        assert error(chain[-2].gradInput, to_host(gradients[2])) <= FP32_BOUND


def test_a_first_relu_without_gradInput(device, rng):
    chain = nn.Sequential(nn.ReLU(), nn.MaxPool(2))
    chain.needs_gradInput = False
    x = device.array(rng.standard_normal((3, 2, 6, 8), dtype=np.float32))
    assert chain.backward(x, chain.forward(x)) is None
    assert chain[0].gradInput is None


def test_a_subclass_is_not_fused(device, rng):
    class Doubled(nn.MaxPool):
        def updateGradInput(self, input, gradOutput):
            return super().updateGradInput(input, 2 * gradOutput)

    class Counted(nn.BatchNormalization):
        calls = 0

        def updateOutput(self, input):
            self.calls += 1
            return super().updateOutput(input)

    chain = nn.Sequential(Counted(2), nn.ReLU(), Doubled(2))
    plain = nn.Sequential(nn.BatchNormalization(2), nn.ReLU(), nn.MaxPool(2))
    x = device.array(rng.standard_normal((3, 2, 6, 8), dtype=np.float32))
    y = chain.forward(x)
    gy = device.array(rng.standard_normal(y.shape, dtype=np.float32))
    assert error(y, to_host(plain.forward(x))) == 0
    assert error(chain.backward(x, gy), 2 * to_host(plain.backward(x, gy))) <= FP32_BOUND
    assert chain[0].calls == 1
