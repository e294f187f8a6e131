"""Prefetching: background threads compute results in advance, and the caller takes them in order.

for result in prefetch((partial(prepare, item) for item in items), workers=1): ...

Threads, not processes: NumPy and Pillow release the interpreter's lock while they work, and nothing is copied.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetch(calls: Iterable[Callable[[], T]], workers: int) -> Iterator[T]:
    """Yield the results of `calls`, in order.

    calls    functions without arguments; workers run them concurrently with each other and with the caller
    workers  number of threads, which are at most workers + 1 results ahead of the caller; 0: no threads, and each
             call is made when its result is requested

    An exception of a call is raised when its result is requested, and ends the iteration. When the iteration ends
    (close, break, an exception, the last result), pending calls are cancelled, running calls are waited for, and no
    thread is left.
    """
    if not workers:
        for call in calls:
            yield call()
        return
    pool = ThreadPoolExecutor(workers, "tinyfft-prefetch")
    try:
        waiting = deque()
        for call in calls:
            waiting.append(pool.submit(call))
            if len(waiting) > workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
