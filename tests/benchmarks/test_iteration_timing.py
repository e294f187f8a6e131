"""PyTorch's iteration computes tinyfft's: after two of them both networks have the same weights."""

import numpy as np
import pytest
from program import network_of

import models
from tinyfft.config import load_config
from tinyfft.timing import Iteration

pytestmark = pytest.mark.torch

SMALL = [*network_of(2, 3, 4), "timing.input_shape=[3, 12, 8]", "timing.classes=5", "batch_size=6"]


def small_iteration(*overrides):
    config = load_config("cifar", [*SMALL, "algorithm=fft", "optimizer.weight_decay=0.05", *overrides])
    return Iteration(models.build(config, config.timing.input_shape, config.timing.classes), config)


@pytest.mark.parametrize("layout", ["NCHW", "channels_last"])
@pytest.mark.parametrize("nesterov", ["true", "false"])
def test_two_iterations_give_the_same_weights(layout, nesterov):
    from benchmarks.torch_iteration import TorchIteration

    ours = small_iteration(f"optimizer.nesterov={nesterov}")
    ours.optimizer.learning_rate = 0.1
    peer = TorchIteration(ours, "fp32", layout)
    before = [weight.copy() for weight in ours.network.parameters()[0]]
    for _ in range(2):
        ours.run()
        peer.run()
    for old, weight, parameter in zip(before, ours.network.parameters()[0], peer.model.parameters(), strict=True):
        moved = np.abs(weight - old).max()
        assert moved > 0
        assert np.abs(parameter.detach().numpy() - weight).max() <= 1e-4 * moved


def test_losses_are_compared_before_anything_is_timed():
    from benchmarks import iteration_timing

    ours = small_iteration()
    losses = iteration_timing.compare_losses(ours, "fp32")
    assert losses["ours"] == pytest.approx(losses["peer"], rel=iteration_timing.LOSS_BOUND["fp32"])
    ours.criterion.forward = lambda *_: losses["ours"] + 0.01
    with pytest.raises(ArithmeticError, match="PyTorch's"):
        iteration_timing.compare_losses(ours, "fp32")


def test_bf16_is_autocast():
    import torch

    from benchmarks.torch_iteration import TorchIteration

    peer = TorchIteration(small_iteration(), "bf16", "NCHW")
    assert peer.forward().dtype == torch.bfloat16
    assert peer.loss().dtype == torch.float32
    assert {parameter.dtype for parameter in peer.model.parameters()} == {torch.float32}
