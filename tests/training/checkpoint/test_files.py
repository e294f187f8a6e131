import os

import numpy as np
import pytest
from full_disk import full_disk
from safetensors import numpy as safetensors_numpy

from tinyfft import backend, nn
from tinyfft.training import checkpoint
from tinyfft.training.checkpoint import CheckpointError


def network(features=3, dtype="float32"):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(8, features, dtype=dtype), nn.BatchNormalization(features, dtype=dtype)
    )


def values(module):
    return {name: backend.to_host(array).copy() for name, array in module.state().items()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], strict=True)


def test_load_restores_the_saved_values_in_place(device, tmp_path, rng):
    saved, other = network(), network()
    saved.forward(device.array(rng.standard_normal((5, 2, 2, 2), dtype=np.float32)))  # moves the running statistics
    path = tmp_path / "net.safetensors"
    checkpoint.save(path, saved.state(), {"epoch": "3", "note": "größer\nals"})
    weights, _ = other.getParameters()

    assert checkpoint.load(path, other) == {"epoch": "3", "note": "größer\nals"}

    assert_same(values(other), values(saved))
    flat = np.concatenate([values(saved)[name].ravel() for name in ("1.weight", "1.bias", "2.weight", "2.bias")])
    np.testing.assert_array_equal(backend.to_host(weights), flat)


def test_arrays_that_are_not_contiguous_are_saved_by_value(tmp_path):
    array = np.arange(12.0).reshape(3, 4).T
    checkpoint.save(tmp_path / "a", {"a": array, "scalar": np.array(7)}, {})
    arrays, metadata = checkpoint.read(tmp_path / "a")
    np.testing.assert_array_equal(arrays["a"], array)
    assert arrays["scalar"] == 7
    assert metadata == {}


def test_load_tells_the_network_that_its_weights_changed(tmp_path, monkeypatch):
    target = network()
    checkpoint.save(tmp_path / "net", network().state(), {})
    seen = []
    monkeypatch.setattr(target, "weights_changed", lambda: seen.append(float(target[1].weight[0, 0])))
    checkpoint.load(tmp_path / "net", target)
    assert seen == [float(checkpoint.read(tmp_path / "net")[0]["1.weight"][0, 0])]


def test_after_a_load_the_network_computes_with_the_new_weights(device, tmp_path, rng):
    x = device.array(rng.standard_normal((2, 1, 6, 6), dtype=np.float32))
    saved, other = (nn.FFTConvolution(1, 2, 3) for _ in range(2))
    expected = backend.to_host(saved.forward(x)).copy()
    checkpoint.save(tmp_path / "conv", saved.state(), {})
    other.evaluate()
    before = backend.to_host(other.forward(x)).copy()
    checkpoint.load(tmp_path / "conv", other)
    assert not np.array_equal(before, expected)
    np.testing.assert_allclose(backend.to_host(other.forward(x)), expected, rtol=1e-6, equal_nan=False)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: network(features=4), r"1.weight has shape \(3, 8\) and dtype float32, expected \(4, 8\) and float32"),
        (lambda: network(dtype="float64"), r"1.weight has shape \(3, 8\) and dtype float32, expected .* float64"),
        (
            lambda: nn.Sequential(nn.Linear(8, 3)),
            "missing in it: 0.bias, 0.weight; missing in the network: 1.bias, 1.weight, 2.bias",
        ),
    ],
)
def test_a_checkpoint_of_another_network_is_refused_and_changes_nothing(tmp_path, other, message):
    checkpoint.save(tmp_path / "net", network().state(), {})
    target = other()
    before = values(target)
    with pytest.raises(CheckpointError, match=f"net is of another network: .*{message}"):
        checkpoint.load(tmp_path / "net", target)
    assert_same(values(target), before)


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_damaged_file_is_named(tmp_path, keep):
    path = tmp_path / "cut.safetensors"
    checkpoint.save(path, network().state(), {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"cut\.safetensors is not a checkpoint, or damaged"):
        checkpoint.load(path, network())


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors"):
        checkpoint.load(tmp_path / "none.safetensors", network())


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "net.safetensors"
    checkpoint.save(path, {"a": np.zeros(3)}, {})
    with full_disk(), pytest.raises(OSError, match="the checkpoint cannot be written") as caught:
        checkpoint.save(path, {"a": np.ones(10_000)}, {})
    assert caught.value.filename == str(path)
    assert os.listdir(tmp_path) == ["net.safetensors"]
    np.testing.assert_array_equal(checkpoint.read(path)[0]["a"], np.zeros(3))


def test_a_path_below_a_file_is_named(tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "net.safetensors"
    with pytest.raises(NotADirectoryError) as caught:
        checkpoint.save(path, {"a": np.zeros(3)}, {})
    assert caught.value.filename == str(path)


def test_a_new_file_replaces_the_old_one(tmp_path):
    path = tmp_path / "net.safetensors"
    checkpoint.save(path, {"a": np.zeros(3), "b": np.zeros(5)}, {"epoch": "1"})
    checkpoint.save(path, {"a": np.ones(2)}, {"epoch": "2"})
    arrays, metadata = checkpoint.read(path)
    assert list(arrays) == ["a"]
    np.testing.assert_array_equal(arrays["a"], [1, 1])
    assert metadata == {"epoch": "2"}
    assert os.listdir(tmp_path) == ["net.safetensors"]


def test_load_takes_the_network_from_the_checkpoint_of_a_training(tmp_path):
    saved, other = network(), network()
    arrays = {f"network.{name}": array for name, array in saved.state().items()} | {"optimizer.velocity": np.ones(3)}
    checkpoint.save(tmp_path / "run", arrays, {})
    checkpoint.load(tmp_path / "run", other)
    assert_same(values(other), values(saved))


def test_a_changed_byte_is_detected(tmp_path, rng):
    path = tmp_path / "net.safetensors"
    checkpoint.save(path, {"a": rng.standard_normal(5), "b": np.arange(3)}, {"note": "as it was"})
    whole = path.read_bytes()
    for place in (whole.index(b"as it was"), len(whole) - 1, len(whole) - 30):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CheckpointError, match=r"net\.safetensors is damaged: its checksum"):
            checkpoint.read(path)


def test_a_file_without_a_checksum_is_read(tmp_path):
    safetensors_numpy.save_file({"a": np.arange(3)}, tmp_path / "a", {"by": "others"})
    arrays, metadata = checkpoint.read(tmp_path / "a")
    np.testing.assert_array_equal(arrays["a"], [0, 1, 2])
    assert metadata == {"by": "others"}
