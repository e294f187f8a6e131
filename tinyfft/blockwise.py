"""A function of large arrays in blocks: a cacheful at a time, in several threads.

    blockwise(work, *arrays)    calls work(*blocks), a block being the same rows (along the first axis) of every array,
                                until all rows are done; arrays of less than two blocks' bytes are one block

What `work` writes must depend on nothing but the rows that it got: then it does not matter how arrays are cut. Several
passes over a block find it in the cache. What `work` allocates has at most a block's size, which the allocator keeps;
memory for a whole array would come from the operating system at every call, and each of its pages would cost a fault.
"""

from collections.abc import Callable

import numpy as np

from tinyfft import parallel

# Bytes of a block in all arrays together. Half or twice as much was no faster: less is more calls, more is beyond a
# second-level cache.
BLOCK = 2 << 20


def blockwise(work: Callable[..., None], *arrays: np.ndarray) -> None:
    """Call work(*blocks) for all rows of arrays of one length. A row is never cut: it may be more than BLOCK."""
    nbytes = sum(array.nbytes for array in arrays)
    if nbytes < 2 * BLOCK:
        work(*arrays)
        return
    length = len(arrays[0])
    step = max(1, length * BLOCK // nbytes)

    def some(part: slice) -> None:
        for start in range(part.start, part.stop, step):
            rows = slice(start, min(start + step, part.stop))
            work(*(array[rows] for array in arrays))

    parallel.run(length, some)
