"""Limits of the arena for a test: set for a while, and the least that a plan can do with."""

from dataclasses import replace
from unittest import mock

from tinyfft.fourier import arena


def limited(device, nbytes):
    """Inside, no arena of the device may be larger than `nbytes`."""
    return mock.patch.dict(arena.limit_bytes, {device: nbytes})


def least_bytes(plan):
    """What one sample and one output map need."""
    kx = range(1, 2) if plan.kind == "cpu" and plan.x.N > 1 else None  # the CPU can do a column at a time
    return replace(plan, S=1, F=1, kx=kx).arena_bytes


def most_chunks(plan):
    """Chunks of one sample, one output map and, on the CPU, one column."""
    return plan.S * plan.F * (plan.x.N // 2 + 1 if plan.kind == "cpu" else 1)
