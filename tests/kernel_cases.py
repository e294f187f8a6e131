"""What tests of kernels share: the CPU to compare with, both dtypes and their bounds, and Hypothesis's settings."""

import pytest
from hypothesis import HealthCheck, settings
from measure import FP32_BOUND, FP64_BOUND

from tinyfft.backend import Device

CPU = Device("cpu")
BOUNDS = {"float32": FP32_BOUND, "float64": FP64_BOUND}
dtypes = pytest.mark.parametrize("dtype", BOUNDS)


def examples(count):
    """Run `count` examples, the same at every run, in tests with fixtures."""
    health = [HealthCheck.function_scoped_fixture]
    return settings(max_examples=count, deadline=None, derandomize=True, suppress_health_check=health)
