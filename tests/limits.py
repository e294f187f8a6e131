"""Limits of the arena for a test: set for a while, and the least that a plan can do with."""

from dataclasses import replace
from unittest import mock

from tinyfft import arena


def limited(device, nbytes):
    """Inside, no arena of the device may be larger than `nbytes`."""
    return mock.patch.dict(arena.limit_bytes, {device: nbytes})


def least_bytes(plan, maps="CF"):
    """What one sample and one map need, of those maps that may be cut: the most of all passes."""
    kx = range(1, 2) if plan.kind == "cpu" and plan.x.N > 1 else None  # the CPU can do a column at a time
    return max(replace(plan, S=1, kx=kx, **{cut: 1}).arena_bytes for cut in maps)


def most_chunks(plan, maps="C"):
    """Chunks of one sample, one of the maps that are cut and, on the CPU, one column."""
    return plan.S * getattr(plan, maps) * (plan.x.N // 2 + 1 if plan.kind == "cpu" else 1)
