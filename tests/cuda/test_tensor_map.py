"""Tensor maps: the calls of the driver. Their use is tested in tests/fourier/gpu/test_tensor_product.py."""

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest

import tinyfft
from tinyfft.cuda import launch, tensor_map


@pytest.fixture
def asked(monkeypatch):
    """The arguments of each call of the driver, which returns `status`."""
    calls = []

    def encode(to, *arguments):
        assert ctypes.addressof(to._obj) % 64 == 0
        to._obj.opaque[15] = 5
        calls.append([list(given) if isinstance(given, ctypes.Array) else given for given in arguments])
        return calls.status

    class Calls(list):
        status = 0

    calls = Calls()
    monkeypatch.setattr(tensor_map, "_driver", lambda: SimpleNamespace(cuTensorMapEncodeTiled=encode))
    tensor_map._encoded.cache_clear()
    yield calls
    tensor_map._encoded.cache_clear()


def at(address):
    return SimpleNamespace(data=SimpleNamespace(ptr=address))


def test_the_driver_is_asked_once_for_each_place_and_shape(asked):
    sizes, strides, box = (32, 7, 3, 2, 5), (384, 128, 64, 2688), (32, 4, 2, 2, 1)
    assert tensor_map.boxes(at(4096), sizes, strides, box).opaque[15] == 5
    tensor_map.boxes(at(4096), sizes, strides, box)
    tensor_map.boxes(at(8192), sizes, strides, box)
    assert [call[2].value for call in asked] == [4096, 8192]
    uint16, axes, _, *lists = asked[0][:7]
    assert (uint16, axes) == (1, 5)
    assert lists == [list(sizes), list(strides), list(box), [1] * 5]
    interleave, swizzle, l2_promotion, fill = asked[0][7:]
    assert (interleave, swizzle, l2_promotion, fill) == (0, 2, 2, 0)  # none, 64 bytes, 128 bytes, zeros


def test_an_error_of_the_driver(asked):
    asked.status = 1
    with pytest.raises(RuntimeError, match=r"error 1 for sizes \(32, 7\), strides \(60,\), box \(32, 4\)"):
        tensor_map.boxes(at(4096), (32, 7), (60,), (32, 4))


@pytest.mark.gpu
def test_the_driver_rejects_strides_that_are_no_multiple_of_16():
    device = tinyfft.use_device("cuda")
    if launch.architecture(device) < 90:
        pytest.skip("this GPU has no tensor maps")
    array = device.array(np.zeros(4096, np.uint32))
    sizes, box = (32, 7, 3, 2, 1), (32, 4, 2, 2, 1)
    tensor_map.boxes(array, sizes, (384, 128, 64, 2688), box)
    with pytest.raises(RuntimeError, match=r"strides \(390, 128, 64, 2688\)"):
        tensor_map.boxes(array, sizes, (390, 128, 64, 2688), box)
