"""A function of large arrays, computed in blocks of rows: a cacheful at a time, in several threads.

    blockwise(work, *arrays)    calls work(*blocks) until all rows are done; a block is the same rows (of the first
                                axis) of every array; arrays smaller than two blocks are one block

The result of `work` must depend only on the rows it gets, so that the cut does not matter. Several passes over a block
find it in the cache. `work` allocates at most a block's size, which the allocator keeps. Memory for a whole array would
come from the operating system at every call, with a page fault for each page.
"""

from collections.abc import Callable

import numpy as np

from tinyfft import parallel

BLOCK_BYTES = 2 << 20
"""Of a block in all arrays together. Half of it makes more calls, twice of it exceeds a second-level cache: neither was
faster."""


def blockwise(work: Callable[..., None], *arrays: np.ndarray) -> None:
    """Call work(*blocks) for all rows of arrays of one length. A row is never cut: it may exceed BLOCK_BYTES."""
    nbytes = sum(array.nbytes for array in arrays)
    if nbytes < 2 * BLOCK_BYTES:
        work(*arrays)
        return
    length = len(arrays[0])
    step = max(1, length * BLOCK_BYTES // nbytes)

    def some(part: slice) -> None:
        for start in range(part.start, part.stop, step):
            rows = slice(start, min(start + step, part.stop))
            work(*(array[rows] for array in arrays))

    parallel.run(length, some)
