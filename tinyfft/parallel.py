"""Work of the CPU in several threads, each with a BLAS of one thread.

NumPy leaves the interpreter to other threads while it computes, so a range of samples, planes or frequencies can be
done in as many parts as there are cores: element by element, where NumPy itself has one thread, and in matrix products,
where a BLAS pays for every small product with a meeting of its threads.

    run(n, work)        calls work(part) for slices that together are range(n), one for each thread, and waits for all
    matmul(a, b, out)   a matrix product in parts: after one by a BLAS of several threads, OpenBLAS's wait for the next,
                        busy, and for some 25 ms take the cores from these here

There are as many threads as NumPy's BLAS has: set OPENBLAS_NUM_THREADS or OMP_NUM_THREADS, or wrap a program in
threadpoolctl.threadpool_limits. While parts run, that BLAS has one thread, also for the rest of the process; then its
number is what it was. With a BLAS whose threads cannot be set (Accelerate) all is one part.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController


def threads() -> int:
    """In how many parts `run` does its work: 1 inside of such a part."""
    return max((blas.num_threads for blas in _blas().lib_controllers), default=1)


def run(n: int, work: Callable[[slice], None], most: int | None = None) -> None:
    """Call work(part) for consecutive slices of range(n), at most `most`, at the same time; n may be 0.

    The calling thread does one of them, and the only one with its BLAS as it is. An exception of a part is raised when
    all have ended.
    """
    parts = split(n, min(threads(), n, most or n))
    if len(parts) < 2:
        for part in parts:
            work(part)
        return
    with _one_thread_each():
        others = [_pool(len(parts) - 1).submit(work, part) for part in parts[1:]]
        try:
            work(parts[0])
        finally:
            wait(others)
        for other in others:
            other.result()


def matmul(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """out = a @ b, of matrices, the rows or the columns of `out` in parts, whichever are more."""
    rows, columns = out.shape
    if rows >= columns:
        run(rows, lambda part: np.matmul(a[part], b, out=out[part]))
    else:
        run(columns, lambda part: np.matmul(a, b[:, part], out=out[:, part]))


def split(n: int, count: int) -> list[slice]:
    """range(n) in `count` consecutive parts, as equal as can be."""
    return [slice(i * n // count, (i + 1) * n // count) for i in range(count)]


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


@cache
def _pool(size: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(size, "tinyfft")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork

_lock = threading.Lock()
_runs = 0  # under way; the first of them takes the BLAS's threads, the last gives them back
_limiter = None


@contextmanager
def _one_thread_each():
    global _runs, _limiter
    with _lock:
        if _runs == 0:
            _limiter = _blas().limit(limits=1)
        _runs += 1
    try:
        yield
    finally:
        with _lock:
            _runs -= 1
            if _runs == 0:
                _limiter.restore_original_limits()
