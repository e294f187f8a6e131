"""The measures of accuracy, one error for a whole array against one scale, and of memory."""

import tracemalloc

import numpy as np

from tinyfft.backend import to_host

FP32_BOUND = 2.0**-18
FP64_BOUND = 1e-12


def error(result, reference, scale=None):
    """max|result - reference| / scale; by default max|reference|. NaN stays NaN: `error(...) <= bound` fails."""
    result, reference = to_host(result), np.asarray(reference, dtype=np.float64)
    assert result.shape == reference.shape, f"shape {result.shape}, expected {reference.shape}"
    scale = np.max(np.abs(reference), initial=0.0) if scale is None else scale
    difference = np.max(np.abs(result.astype(np.float64) - reference), initial=0.0)
    return difference if scale == 0 else difference / scale


def allocated(call):
    """The most bytes that a call takes beyond what there is, once all buffers are there."""
    call()
    call()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
