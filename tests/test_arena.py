"""The arena: one block, frames last in first out, a measured mark."""

import threading
from unittest import mock

import numpy as np
import pytest
from limits import limited

from tinyfft.arena import (
    Arena,
    LimitError,
    aligned,
    current_arena,
    high_water_bytes,
    release,
    reset_high_water,
)
from tinyfft.backend import Device


@pytest.fixture
def arena():
    return Arena(Device("cpu"))


def test_memory_is_given_back_and_used_again(arena):
    with arena.frame(4096):
        first = arena.take((16,), np.float32)
    with arena.frame(4096):
        second = arena.take((16,), np.float32)
        third = arena.take((16,), np.float32)
    assert np.shares_memory(first, second)
    assert not np.shares_memory(second, third)


def test_a_released_arena_takes_what_the_next_frame_needs(device):
    with current_arena(device).frame(1 << 20):
        pass
    release(device)
    assert current_arena(device).capacity == 0
    with current_arena(device).frame(1 << 10) as frame:
        assert frame.take((1 << 10,), "uint8").nbytes == frame.capacity == 1 << 10


def test_all_arrays_lie_in_one_block(arena):
    with arena.frame(10_000):
        a, b = arena.take((3, 5), np.complex64), arena.take((7,), np.float64)
        with arena.frame(0):
            c = arena.take((2,), np.uint8)
    owners = {id(_owner(array)) for array in (a, b, c)}
    assert len(owners) == 1
    assert _owner(a).nbytes == arena.capacity == 10_000


def test_inner_frames_are_last_in_first_out(arena):
    with arena.frame(4096):
        arena.take((256,), np.uint8)
        with arena.frame(256):
            inner = arena.take((256,), np.uint8)
        again = arena.take((256,), np.uint8)
    assert np.shares_memory(inner, again)


def test_high_water_is_what_was_held_at_once(arena):
    with arena.frame(8192):
        arena.take((1000,), np.uint8)
        with arena.frame(0):
            arena.take((3000,), np.uint8)
        arena.take((500,), np.uint8)
    assert arena.high_water == aligned(1000) + aligned(3000)


def test_the_block_grows_between_frames_only(arena):
    with arena.frame(256):
        arena.take((256,), np.uint8)
        with (
            pytest.raises(MemoryError, match="an inner frame asks for 4096 bytes, 0 of 256 are left"),
            arena.frame(4096),
        ):
            pass
    with arena.frame(4096):
        assert arena.take((4096,), np.uint8).nbytes == 4096


def test_taking_more_than_the_frame_reserved_is_an_error(arena):
    with arena.frame(256), pytest.raises(MemoryError, match="257 bytes taken"):
        arena.take((257,), np.uint8)


def test_a_frame_beyond_the_limit_is_an_error(arena):
    with limited(arena.device, 4096):
        with (
            pytest.raises(LimitError, match=r"4097 bytes needed, arena.limit_bytes allows 4096"),
            arena.frame(4097),
        ):
            pass
        with arena.frame(1024):
            arena.take((1024,), np.uint8)
            with pytest.raises(LimitError, match="arena: 4097 bytes needed"), arena.frame(3073):
                pass
    assert arena.capacity == 1024
    with arena.frame(4097):
        assert arena.capacity == 4097


def test_a_block_beyond_the_limit_is_let_go_of(arena):
    with arena.frame(8192):
        held = arena.take((8192,), np.uint8)
    with limited(arena.device, 4096), arena.frame(1000):
        assert arena.capacity == 1000
        assert not np.shares_memory(arena.take((500,), np.uint8), held)


def test_a_block_within_the_limit_stays(arena):
    with arena.frame(4096):
        held = arena.take((100,), np.uint8)
    with limited(arena.device, 4096), arena.frame(1000):
        assert arena.capacity == 4096
        assert np.shares_memory(arena.take((500,), np.uint8), held)


def test_a_failed_pass_gives_its_memory_back(arena):
    def fail():
        with arena.frame(1024):
            arena.take((512,), np.uint8)
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail()
    with arena.frame(1024):
        assert arena.take((1024,), np.uint8).nbytes == 1024


def test_threads_have_arenas_of_their_own():
    device, found = Device("cpu"), []
    thread = threading.Thread(target=lambda: found.append(current_arena(device)))
    thread.start()
    thread.join()
    assert found[0] is not current_arena(device)
    assert current_arena(device) is current_arena(Device("cpu"))


@pytest.mark.gpu
def test_streams_have_arenas_of_their_own():
    import cupy

    device = Device("cuda")
    with cupy.cuda.Stream():
        other = current_arena(device)
    assert other is not current_arena(device)


def test_reported_bytes_are_measured_anew_after_a_reset():
    device = Device("cpu")
    reset_high_water(device)
    with current_arena(device).frame(2048) as arena:
        arena.take((2048,), np.uint8)
    assert high_water_bytes(device) == 2048
    reset_high_water(device)
    assert high_water_bytes(device) == 0


def _owner(array):
    while array.base is not None:
        array = array.base
    return array


def test_an_allocation_error_names_a_limit_that_fits(arena, monkeypatch):
    empty = Device.empty

    def scarce(device, shape, dtype):
        if np.prod(shape) * np.dtype(dtype).itemsize > 2048:
            raise MemoryError("no more")
        return empty(device, shape, dtype)

    monkeypatch.setattr(Device, "empty", scarce)
    with pytest.raises(MemoryError) as caught, arena.frame(4096):
        pass
    expected = "cannot allocate 4096 bytes of frequency memory on cpu, arena.limit_bytes = 2048 would fit"
    assert str(caught.value) == expected
    assert arena.capacity == 0
    with limited(arena.device, 2048), arena.frame(2048):
        assert arena.capacity == 2048


@pytest.mark.parametrize(("free", "fits"), [(1000, 1000), (4000, 2048), (None, 2048)])
def test_the_limit_that_fits_is_at_most_the_free_memory_and_half_the_need(arena, monkeypatch, free, fits):
    monkeypatch.setattr(Device, "free_bytes", free)
    monkeypatch.setattr(Device, "empty", mock.Mock(side_effect=MemoryError))
    with pytest.raises(MemoryError, match=rf"arena.limit_bytes = {fits} would fit$"), arena.frame(4096):
        pass
