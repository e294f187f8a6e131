"""Work in parts: all of it once, at the same time, and the BLAS as it was afterwards."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from tinyfft.cpu import threads


@pytest.fixture(autouse=True)
def three_threads():
    with threadpool_limits(3, user_api="blas"):
        yield


def parts_of(n, **options):
    found = []
    threads.run(n, found.append, **options)
    return sorted((part.start, part.stop) for part in found)


@given(n=st.integers(0, 1000), count=st.integers(1, 20))
def test_parts_are_consecutive_and_nearly_equal(n, count):
    parts = threads.split(n, count)
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(n))
    sizes = [part.stop - part.start for part in parts]
    assert len(sizes) == count
    assert max(sizes) - min(sizes) <= 1


def test_one_part_for_each_thread():
    assert parts_of(7) == [(0, 2), (2, 4), (4, 7)]
    assert parts_of(7, most=2) == [(0, 3), (3, 7)]


def test_no_part_is_empty():
    assert parts_of(2) == [(0, 1), (1, 2)]
    assert parts_of(0) == []


def test_parts_run_at_the_same_time():
    together = threading.Barrier(3, timeout=20)
    threads.run(3, lambda _: together.wait())
    assert not together.broken


def test_the_blas_has_one_thread_while_parts_run_and_its_own_afterwards():
    inside = []
    threads.run(3, lambda _: inside.append(threads.count()))
    assert inside == [1, 1, 1]
    assert threads.count() == 3


def test_what_runs_inside_of_a_part_is_one_part():
    inner = []
    threads.run(3, lambda part: threads.run(10, inner.append))
    assert inner == [slice(0, 10)] * 3


def test_an_exception_is_raised_when_all_parts_have_ended():
    ended = []

    def work(part):
        if part.start:
            raise ArithmeticError(f"part {part.start}")
        ended.append(part)

    with pytest.raises(ArithmeticError, match=r"part [12]"):
        threads.run(3, work)
    assert ended == [slice(0, 1)]
    assert threads.count() == 3


@pytest.mark.parametrize(("rows", "columns"), [(7, 3), (3, 7), (1, 1), (2, 2), (0, 4), (4, 0)])
def test_a_product_in_parts(rows, columns, rng):
    a, b = rng.standard_normal((rows, 5)), rng.standard_normal((columns, 5)).T
    out = np.full((rows, columns), np.nan)
    threads.matmul(a, b, out)
    np.testing.assert_allclose(out, np.einsum("ik,kj->ij", a, b), rtol=1e-13)


def test_the_last_of_two_runs_at_once_gives_the_threads_back():
    first, second = threads._one_thread_each(), threads._one_thread_each()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert threads.count() == 1
    second.__exit__(None, None, None)
    assert threads.count() == 3
