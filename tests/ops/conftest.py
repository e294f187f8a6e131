"""The device of these tests: the GPU's kernels, built for the host."""

import host_gpu
import pytest

from tinyfft.arena import Arena
from tinyfft.nn import direct_convolution


@pytest.fixture
def gpu(monkeypatch):
    if host_gpu.COMPILER is None:
        pytest.skip("there is no C++ compiler on this machine")
    monkeypatch.setattr(direct_convolution, "current_arena", Arena)
    return host_gpu.stands_in(monkeypatch)
