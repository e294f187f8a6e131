"""Which arrays a captured graph keeps alive. tests/training/test_step.py captures whole training steps."""

import weakref
from types import SimpleNamespace

from tinyfft import backend
from tinyfft.cuda import graph
from tinyfft.cuda.graph import WARM_UP_CALLS, CapturedGraph


def test_a_graph_keeps_the_arrays_of_its_owners(device, monkeypatch):
    """Directly, in a list or in another iterable; also an array that the work has replaced during the capture."""

    class Cache:
        array = device.empty((3,), "float32")

        def __iter__(self):
            yield self.array

    owner = SimpleNamespace(array=device.empty((1,), "float32"), listed=[device.empty((2,), "float32")], cache=Cache())
    replaced = weakref.ref(owner.array)

    def capture(work, device):
        work()
        return lambda: None

    def work(x):
        if len(calls) == WARM_UP_CALLS:
            owner.array = device.empty((4,), "float32")
        calls.append(x)

    calls = []
    monkeypatch.setattr(graph, "capture", capture)
    monkeypatch.setattr(backend.Device, "captures", True)
    captured = CapturedGraph(work, device, [owner])
    x = device.array([1.0])
    assert [captured(x) for _ in range(WARM_UP_CALLS + 2)] == [False] * WARM_UP_CALLS + [True] * 2
    assert len(calls) == WARM_UP_CALLS + 1
    owned = [weakref.ref(array) for array in (owner.array, *owner.listed, Cache.array)]
    del owner.array, owner.listed, owner.cache, Cache.array
    assert all(array() is not None for array in (replaced, *owned))
    captured.reset()
    assert all(array() is None for array in (replaced, *owned))
