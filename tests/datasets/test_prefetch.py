"""datasets/prefetch.py: order, how far in advance, exceptions, and that nothing runs on after the iteration."""

import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from datasets.prefetch import prefetch

ROOT = Path(__file__).resolve().parent.parent.parent
WAIT_SECONDS = 30  # for something that happens at once, or never


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def until(condition):
    """Wait until `condition()` is true."""
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.001)


def fail(number):
    raise ArithmeticError(f"call {number}")


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 20])
def test_results_in_order(workers, count):
    results = prefetch((partial(lambda i: i * i, i) for i in range(count)), workers)
    assert list(results) == [i * i for i in range(count)]


def test_order_is_kept_when_a_later_call_ends_first():
    second_done = threading.Event()

    def first():
        assert second_done.wait(WAIT_SECONDS)
        return "first"

    def second():
        second_done.set()
        return "second"

    assert list(prefetch([first, second], workers=2)) == ["first", "second"]


@pytest.mark.parametrize("workers", [1, 3])
def test_calls_are_made_in_advance_but_not_far(workers):
    taken, done = [], []

    def calls():
        for i in range(30):
            taken.append(i)
            yield partial(done.append, i)

    results = prefetch(calls(), workers)
    assert taken == []
    for handed_out in range(1, 20):
        next(results)
        until(lambda wanted=handed_out + workers + 1: len(done) == wanted)  # made before they are requested
        assert len(taken) == handed_out + workers + 1
    results.close()


def test_without_workers_each_call_waits_until_it_is_requested():
    made_by = []
    results = prefetch((lambda: made_by.append(threading.current_thread()) for _ in range(3)), workers=0)
    for count in range(1, 4):
        next(results)
        assert made_by == [threading.current_thread()] * count


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_exception_is_raised_when_its_result_is_requested(workers):
    results = prefetch((partial(fail if i in (4, 5) else abs, i) for i in range(9)), workers)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ArithmeticError, match="call 4"):
        next(results)
    assert list(results) == []


@pytest.mark.parametrize("workers", [1, 3])
def test_after_a_break_nothing_runs_on(workers):
    """Pending calls are cancelled, and running calls are waited for."""
    begun, ended, go_on = [], [], threading.Event()

    def call(i):
        begun.append(i)
        assert i == 0 or go_on.wait(WAIT_SECONDS)
        ended.append(i)

    results = prefetch((partial(call, i) for i in range(100)), workers)
    for _ in results:
        break
    until(lambda: len(begun) == workers + 1)
    timer = threading.Timer(0.3, go_on.set)  # long after close() has begun to wait for it
    timer.start()
    results.close()
    assert sorted(begun) == sorted(ended) == list(range(workers + 1))  # one more was pending
    timer.join()


def test_an_exception_of_the_caller_ends_the_threads():
    seen = []

    def use():
        for _ in prefetch((partial(abs, i) for i in range(100)), workers=2):
            seen.extend(thread for thread in threading.enumerate() if thread.name.startswith("tinyfft-prefetch"))
            raise KeyboardInterrupt  # like Ctrl-C

    with pytest.raises(KeyboardInterrupt):
        use()
    assert seen


def test_a_program_can_end_in_the_middle():
    program = "from datasets.prefetch import prefetch; results = prefetch([int] * 9, workers=2); print(next(results))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
