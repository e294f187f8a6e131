"""Work in blocks: all rows once, the same of every array, a block's bytes at most, in several threads."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tinyfft import backend, blockwise

ROW = 8 * 3  # bytes of a row of three float64


@pytest.fixture(autouse=True)
def three_threads(monkeypatch):
    """And blocks of four rows in two arrays."""
    monkeypatch.setattr(blockwise, "BLOCK_BYTES", 4 * 2 * ROW)
    with threadpool_limits(3, user_api="blas"):
        yield


def blocks_of(*arrays):
    """The blocks that work gets, in order of their first number."""
    found = []
    blockwise.blockwise(lambda *blocks: found.append(blocks), *arrays)
    return sorted(found, key=lambda blocks: blocks[0].flat[0])


def numbers(rows):
    return np.arange(3.0 * rows).reshape(rows, 3)


@pytest.mark.parametrize("rows", [8, 9, 11, 12, 13, 23, 24, 25, 100])
def test_all_rows_once_and_the_same_of_every_array(rows):
    x = numbers(rows)
    blocks = blocks_of(x, -x)
    assert np.array_equal(np.concatenate([block for block, _ in blocks]), x)
    assert all(np.array_equal(block, -other) for block, other in blocks)
    assert max(len(block) for block, _ in blocks) <= 4
    assert len(blocks) >= 3


def test_blocks_are_views():
    x, y = numbers(50), numbers(50)
    blockwise.blockwise(lambda a, b: np.add(a, 1, out=b), x, y)
    assert np.array_equal(y, x + 1)


def test_strided_arrays():
    x, y = np.arange(600.0).reshape(3, 50, 4).transpose(1, 0, 2)[::2], np.full((25, 3, 4), np.nan)
    blockwise.blockwise(lambda a, b: np.copyto(b, a), x, y)
    assert np.array_equal(y, x)


@pytest.mark.parametrize("x", [numbers(7), numbers(0), np.array(5.0)], ids=["less than two blocks", "empty", "number"])
def test_one_block_is_the_arrays_themselves_in_this_thread(x):
    calls = []
    blockwise.blockwise(lambda *blocks: calls.append((threading.current_thread(), *blocks)), x, x)
    assert len(calls) == 1
    assert calls[0][0] is threading.current_thread()
    assert all(block is x for block in calls[0][1:])


def test_a_row_of_more_than_a_block_is_not_cut():
    x = np.arange(4.0 * 100).reshape(4, 100)
    assert [block.shape for (block,) in blocks_of(x)] == [(1, 100)] * 4


def test_parts_run_at_the_same_time():
    together = threading.Barrier(3, timeout=20)
    blockwise.blockwise(lambda _: together.wait(), np.zeros((3, 300)))
    assert not together.broken


def test_an_exception_is_raised_here():
    def work(block):
        if block[0, 0] > 100:
            raise ArithmeticError("beyond 100")

    with pytest.raises(ArithmeticError, match="beyond 100"):
        blockwise.blockwise(work, numbers(100))


@pytest.mark.parametrize(("kind", "calls"), [("cpu", 25), ("cuda", 1)])
def test_on_a_gpu_all_is_one_block(kind, calls):
    found = []
    backend.Device(kind).blockwise(lambda *blocks: found.append(blocks), np.zeros((25, 300)), np.zeros(25))
    assert len(found) == calls
