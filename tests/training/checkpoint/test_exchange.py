import numpy as np
import pytest

from tinyfft import backend, nn
from tinyfft.training import checkpoint
from tinyfft.training.checkpoint import CheckpointError

MODULES = ("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "4.weight", "4.bias")


def network():
    return nn.Sequential(
        nn.FFTConvolution(2, 3, 3, padding=1), nn.BatchNormalization(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 5)
    )


def test_a_state_dict_is_a_copy_with_all_names_of_pytorch(device):
    ours = network()
    state = checkpoint.state_dict(ours)
    assert set(state) == {*MODULES, "1.num_batches_tracked"}
    state["4.bias"] += 1
    assert not np.array_equal(state["4.bias"], backend.to_host(ours[4].bias))


def test_a_state_dict_comes_back(device):
    one, other = network(), network()
    checkpoint.load_state_dict(other, checkpoint.state_dict(one))
    for name, array in one.state().items():
        np.testing.assert_array_equal(backend.to_host(other.state()[name]), backend.to_host(array))


def test_a_state_dict_of_another_network_is_refused(device):
    state = checkpoint.state_dict(network())
    del state["4.bias"]
    with pytest.raises(CheckpointError, match=r"the state_dict is of another network: arrays missing in it: 4\.bias;"):
        checkpoint.load_state_dict(network(), state)


@pytest.mark.torch
def test_both_ways_pytorch_computes_the_same(rng):
    import torch

    model = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3, padding=1),
        torch.nn.BatchNorm2d(3),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(48, 5),
    ).eval()
    ours = network()
    ours.evaluate()
    x = rng.standard_normal((4, 2, 4, 4), dtype=np.float32)
    model[1].running_mean[:] = torch.tensor([0.5, -1, 2])

    def both():
        with torch.no_grad():
            return backend.to_host(ours.forward(ours.device.array(x))), model(torch.from_numpy(x)).numpy()

    assert not np.allclose(*both(), atol=1e-2)
    checkpoint.load_state_dict(ours, model.state_dict())
    np.testing.assert_allclose(*both(), rtol=1e-4, atol=1e-5)
    other = network()
    model.load_state_dict({name: torch.from_numpy(array) for name, array in checkpoint.state_dict(other).items()})
    ours = other
    ours.evaluate()
    np.testing.assert_allclose(*both(), rtol=1e-4, atol=1e-5)
