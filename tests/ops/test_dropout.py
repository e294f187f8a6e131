"""Dropout's kernel, built for the host, against NumPy's generator."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import CPU, dtypes, examples

from tinyfft import nn
from tinyfft.ops import dropout


@dtypes
@examples(25)
@given(
    n=st.integers(1, 200), p=st.sampled_from([0.1, 0.5, 0.99, 1e-12]), key=st.tuples(*[st.integers(0, 2**64 - 1)] * 2)
)
def test_masks(gpu, monkeypatch, dtype, n, p, key):
    """Both passes have the CPU's mask; NaN stays NaN."""
    monkeypatch.setattr(dropout, "THREADS", 3)
    x, key = np.random.default_rng(1).standard_normal(n).astype(dtype), np.array(key, np.uint64)
    x[n // 2] = np.nan
    results = []
    for device in (gpu, CPU):
        buffer = nn.ReLU()._buffer
        for work in (dropout.forward, dropout.backward):
            results.append(np.empty_like(x))
            work(x, results[-1], key, p, device, buffer)
    assert all(np.array_equal(results[0], other, equal_nan=True) for other in results[1:])
    assert np.isnan(results[0][n // 2])
