"""Kernels compiled side by side, on a device that is made up: nothing is launched meanwhile."""

import threading
from contextlib import contextmanager
from types import SimpleNamespace

import host_gpu
import numpy as np
import pytest

from tinyfft import backend, choices, compiling, cublas, gpu
from tinyfft.fourier import kernel, launch
from tinyfft.fourier.axis import Axis
from tinyfft.fourier.plan import plan_convolution
from tinyfft.recorded import Recorded


@pytest.fixture
def device(monkeypatch):
    """Whose compiler and launches leave notes in `done`."""
    device, done, places = host_gpu.stands_in(monkeypatch), [], threading.local()

    @contextmanager
    def current(index):
        places.index = index
        yield
        del places.index

    def compiled(what):
        assert places.index == device.index
        done.append(("compiled", what))
        return lambda *_, **__: done.append(("launched", what))

    def launched(source, name, blocks, threads, arguments, asked, shared_bytes=0):
        if not compiling.noted(name, lambda: compiled(name)):
            done.append(("launched", name))

    cupy = SimpleNamespace(cuda=SimpleNamespace(Device=current), **vars(np))
    monkeypatch.setattr(backend.Device, "xp", property(lambda self: cupy))
    monkeypatch.setattr(gpu, "launch", launched)
    monkeypatch.setattr(launch, "_compiled", lambda special, device: compiled(special.stem))
    monkeypatch.setattr(device.__class__, "done", done, raising=False)
    return device


def launches(device, *names):
    for name in names:
        gpu.launch(None, name, (1, 1), 1, (), device)


def test_what_calls_need_is_compiled_once_and_not_launched(device):
    compiling.together([lambda: launches(device, "a", "b"), lambda: launches(device, "b", "c")], device)
    assert sorted(device.done) == [("compiled", "a"), ("compiled", "b"), ("compiled", "c")]
    launches(device, "a")
    assert device.done[3:] == [("launched", "a")]


def test_other_threads_launch_meanwhile(device):
    def call():
        thread = threading.Thread(target=launches, args=(device, "another's"))
        thread.start()
        thread.join()
        launches(device, "own")

    compiling.together([call], device)
    assert device.done == [("launched", "another's"), ("compiled", "own")]


@pytest.mark.parametrize(("error", "passes"), [(MemoryError, False), (ValueError, True)])
def test_calls_that_fail(device, error, passes):
    """For want of memory: what was noted, and others, are compiled."""

    def fail():
        launches(device, "before")
        raise error

    if passes:
        with pytest.raises(error):
            compiling.together([fail], device)
        assert device.done == []
    else:
        compiling.together([fail, lambda: launches(device, "other")], device)
        assert sorted(device.done) == [("compiled", "before"), ("compiled", "other")]
    launches(device, "after")
    assert device.done[-1] == ("launched", "after")


def test_a_compiler_that_refuses_is_heard(device):
    def refuse():
        raise RuntimeError("no such instruction")

    with pytest.raises(RuntimeError, match="no such instruction"):
        compiling.together([lambda: compiling.noted("a", refuse)], device)
    assert not compiling.only_notes()


def test_a_cpu_has_nothing_to_compile():
    compiling.together([lambda: pytest.fail("called")], backend.Device("cpu"))


def test_ways_are_compiled_before_the_first_one_is_tried(device, monkeypatch):
    monkeypatch.setattr(choices, "_seconds_of", lambda call, device: call())
    choices.seconds({name: lambda name=name: launches(device, name) or 0.0 for name in "ab"}, device)
    assert sorted(device.done[:2]) == [("compiled", "a"), ("compiled", "b")]
    assert {did for did, _ in device.done[2:]} == {"launched"}
    assert {name for _, name in device.done[2:]} == {"a", "b"}


def test_of_what_is_chosen_by_time_all_ways_are_noted_and_none_is_chosen(device, monkeypatch):
    monkeypatch.undo()
    known, noted = {"what else": "b"}, []
    ways = {name: lambda name=name: noted.append(name) for name in "ab"}
    monkeypatch.setattr(choices, "known", lambda device: known)
    monkeypatch.setattr(choices, "_write", lambda device: pytest.fail("written"))
    device = SimpleNamespace(kind="cuda", index=0, xp=None)
    compiling.together([lambda: choices.fastest(device, "what", ways)], device)
    assert noted == ["a", "b"]
    assert known == {"what else": "b"}
    compiling.together([lambda: noted.append(choices.fastest(device, "what else", ways))], device)
    assert noted == ["a", "b", "b"]


def test_recorded_work_is_compiled_before_it_runs(device, monkeypatch):
    monkeypatch.setattr(backend.Device, "records", False)
    work = Recorded(lambda array: launches(device, "a", "b"), device, ())
    for size in (3, 3, 2):
        work(np.zeros(size))
    assert sorted(device.done[:2]) == [("compiled", "a"), ("compiled", "b")]
    assert device.done[2:6] == [("launched", "a"), ("launched", "b")] * 2
    assert {did for did, _ in device.done[6:8]} == {"compiled"}  # it may need others for another shape
    assert len(device.done) == 10


def test_work_that_was_forgotten_is_compiled_already(device, monkeypatch):
    monkeypatch.setattr(backend.Device, "records", False)
    work = Recorded(lambda: launches(device, "a"), device, ())
    for _ in range(2):
        work()
        work.forget()
    assert device.done == [("compiled", "a"), ("launched", "a"), ("launched", "a")]


def test_together_within_another_one_leaves_the_notes_to_it(device):
    def call():
        compiling.together([lambda: pytest.fail("called")], device)
        launches(device, "a")

    compiling.together([lambda: launches(device, "before"), call], device)
    assert sorted(device.done) == [("compiled", "a"), ("compiled", "before")]


def test_a_way_without_memory_is_not_taken_while_kernels_are_noted(device):
    def without():
        raise MemoryError

    found = []
    ways = {"a": without, "b": lambda: launches(device, "b")}
    compiling.together([lambda: found.append(choices.seconds(ways, device))], device)
    assert found == [{"b": 0.0}]


def test_other_work_is_not_called_in_vain(device, monkeypatch):
    monkeypatch.setattr(backend.Device, "records", False)
    Recorded(lambda: launches(device, "a"), device, (), record=False)()
    assert device.done == [("launched", "a")]


def test_kernels_transforms_and_cublas(device, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(cublas, "_library", lambda device: pytest.fail("called"))
    monkeypatch.setattr(gpu, "by_value", lambda layout: layout)
    done = []
    monkeypatch.setattr(launch, "_compiled", lambda special, device: done.append(special.stem))
    monkeypatch.setattr(gpu, "_function", lambda source, name, *_: done.append(name))
    axis = Axis(6, 3, 1, 1, 1)
    plan = plan_convolution(2, 3, 2, axis, axis, kind="cuda")
    special = kernel.specialise("signal", plan, "y", (6, 6), 99 << 10, conjugate=False)
    (layout,) = kernel.launches((2, 2, 6, 6), plan.windows("y"), apart=False)
    place = contextmanager(lambda index: iter([None]))
    device = SimpleNamespace(kind="cuda", index=0, xp=SimpleNamespace(cuda=SimpleNamespace(Device=place)))
    a, out = np.ones((1, 2, 2), np.float32), np.ones((1, 2, 2), np.float32)

    def call():
        for head, name in (("", "sgd"), ("", "another"), ("float", "sgd")):
            gpu.launch(gpu.Source("sgd", head), name, (1, 1), 1, (), device)
        launch.launcher(special, layout, device)(())
        cublas.gemm(a, a, out, device)

    compiling.together([call], device)
    assert sorted(done) == ["another", "sgd", "signal"]  # once for each source, and here its last kernel
