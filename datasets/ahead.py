"""Results of calls, in order, made ahead by background threads: what is wanted next is ready when it is asked for.

for result in ahead((partial(prepare, item) for item in items), workers=1): ...

Threads, not processes: NumPy and Pillow leave the interpreter to others while they work, and nothing is copied.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(calls: Iterable[Callable[[], T]], workers: int) -> Iterator[T]:
    """The results of `calls`, one after the other.

    calls    functions without arguments; with workers they run at the same time as each other and as the caller
    workers  threads, which are at most workers + 1 results ahead of the one handed out last; 0: each call is made by
             the caller's thread when its result is asked for

    An exception of a call is raised in place of its result, and ends the iteration. However that ends (close, break, an
    exception, the last result), calls not begun are dropped, those under way are waited for, and no thread is left.
    """
    if not workers:
        for call in calls:
            yield call()
        return
    pool = ThreadPoolExecutor(workers, "tinyfft-ahead")
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
