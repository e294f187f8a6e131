"""Limits of the arena for a test: set for a while, and the least that a plan can do with."""

from dataclasses import replace
from unittest import mock

from tinyfft.fourier import arena


def limited(device, nbytes):
    """Inside, no arena of the device may be larger than `nbytes`."""
    return mock.patch.dict(arena.limit_bytes, {device: nbytes})


def least_bytes(plan):
    """What one sample and one output map need."""
    return replace(plan, S=1, F=1).arena_bytes
