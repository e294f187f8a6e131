"""Work of the CPU in several threads, each with a BLAS of one thread.

NumPy releases the interpreter while it computes, so a range of samples, planes or frequencies can be cut into as many
parts as there are cores. That speeds up element-wise functions, where NumPy has one thread, and small matrix products,
where a BLAS spends its time synchronising threads.

    run(n, work)        calls work(part) for slices that together are range(n), one a thread, and waits for all
    matmul(a, b, out)   a matrix product in parts; after a product by OpenBLAS's own threads these would spin for some
                        25 ms and take the cores from ours

There are as many threads as NumPy's BLAS has: set OPENBLAS_NUM_THREADS or OMP_NUM_THREADS, or use
threadpoolctl.threadpool_limits. While parts run, the BLAS of the whole process has one thread; afterwards its number of
threads is restored. With a BLAS whose threads cannot be set (Accelerate) there is one part.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController


def count() -> int:
    """Return how many parts `run` uses; 1 inside a part."""
    return max((blas.num_threads for blas in _blas().lib_controllers), default=1)


def run(n: int, work: Callable[[slice], None], most: int | None = None) -> None:
    """Call work(part) for consecutive slices of range(n), at most `most` of them, at the same time; n may be 0.

    The calling thread runs one of them; a single part keeps the BLAS's threads. An exception of a part is raised after
    all parts have ended.
    """
    parts = split(n, min(count(), n, most or n))
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
    """Write out = a @ b for matrices; the rows or the columns of `out` are cut into parts, whichever are more."""
    rows, columns = out.shape
    if rows >= columns:
        run(rows, lambda part: np.matmul(a[part], b, out=out[part]))
    else:
        run(columns, lambda part: np.matmul(a, b[:, part], out=out[:, part]))


def split(n: int, count: int) -> list[slice]:
    """Return range(n) as `count` consecutive slices whose lengths differ by one at most."""
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
_runs = 0  # in progress: the first one limits the BLAS to one thread, the last one restores its number
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
