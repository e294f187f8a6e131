"""datasets/ahead.py: order, how far ahead, exceptions, and that nothing goes on once results are no longer wanted."""

import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from datasets.ahead import ahead

ROOT = Path(__file__).resolve().parent.parent.parent
WAIT = 30  # seconds, for what comes at once unless it never does


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def until(condition):
    """Wait for `condition()`."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.001)


def fail(number):
    raise ArithmeticError(f"call {number}")


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 20])
def test_results_in_order(workers, count):
    results = ahead((partial(lambda i: i * i, i) for i in range(count)), workers)
    assert list(results) == [i * i for i in range(count)]


def test_order_is_kept_where_later_calls_end_first():
    second_done = threading.Event()

    def first():
        assert second_done.wait(WAIT)
        return "first"

    def second():
        second_done.set()
        return "second"

    assert list(ahead([first, second], workers=2)) == ["first", "second"]


@pytest.mark.parametrize("workers", [1, 3])
def test_calls_are_made_ahead_but_not_far(workers):
    taken, done = [], []

    def calls():
        for i in range(30):
            taken.append(i)
            yield partial(done.append, i)

    results = ahead(calls(), workers)
    assert taken == []
    for handed_out in range(1, 20):
        next(results)
        until(lambda wanted=handed_out + workers + 1: len(done) == wanted)  # made although nobody asked yet
        assert len(taken) == handed_out + workers + 1
    results.close()


def test_without_workers_each_call_waits_until_it_is_asked_for():
    made_by = []
    results = ahead((lambda: made_by.append(threading.current_thread()) for _ in range(3)), workers=0)
    for count in range(1, 4):
        next(results)
        assert made_by == [threading.current_thread()] * count


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_exception_comes_in_place_of_its_result(workers):
    results = ahead((partial(fail if i in (4, 5) else abs, i) for i in range(9)), workers)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ArithmeticError, match="call 4"):
        next(results)
    assert list(results) == []


@pytest.mark.parametrize("workers", [1, 3])
def test_after_a_break_nothing_goes_on(workers):
    """Calls not begun are dropped, those under way are waited for."""
    begun, ended, go_on = [], [], threading.Event()

    def call(i):
        begun.append(i)
        assert i == 0 or go_on.wait(WAIT)
        ended.append(i)

    results = ahead((partial(call, i) for i in range(100)), workers)
    for _ in results:
        break
    until(lambda: len(begun) == workers + 1)
    timer = threading.Timer(0.3, go_on.set)  # long after close has begun, which waits for it
    timer.start()
    results.close()
    assert sorted(begun) == sorted(ended) == list(range(workers + 1))  # one more was waiting
    timer.join()


def test_an_exception_where_results_are_used_ends_the_threads():
    seen = []

    def use():
        for _ in ahead((partial(abs, i) for i in range(100)), workers=2):
            seen.extend(thread for thread in threading.enumerate() if thread.name.startswith("tinyfft-ahead"))
            raise KeyboardInterrupt  # as Ctrl-C comes

    with pytest.raises(KeyboardInterrupt):
        use()
    assert seen


def test_a_program_may_end_in_the_middle():
    program = "from datasets.ahead import ahead; results = ahead([int] * 9, workers=2); print(next(results))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
