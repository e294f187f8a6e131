"""bfloat16, of which NumPy knows nothing: the upper 16 bits of a float32, in arrays of uint16."""

import numpy as np


def to_bfloat16(x):
    """Rounded to the nearest, ties to even."""
    bits = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def from_bfloat16(bits):
    """As float32, exactly."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


RUN = 32


def to_runs(z):
    """Complex numbers (..., n) as uint32 (..., n or more): of each RUN the real parts, then the imaginary ones; zeros
    fill up the last one."""
    *before, n = z.shape
    room = -(-n // RUN) * RUN
    parts = np.zeros((*before, room // RUN, 2, RUN), np.uint16)
    for part, numbers in enumerate((z.real, z.imag)):
        whole = np.zeros((*before, room), np.uint16)
        whole[..., :n] = to_bfloat16(numbers)
        parts[..., part, :] = whole.reshape(*before, room // RUN, RUN)
    return parts.view(np.uint32).reshape(*before, room)


def from_runs(words):
    """As complex64 of the same shape, exactly."""
    *before, room = words.shape
    parts = from_bfloat16(np.ascontiguousarray(words).view(np.uint16).reshape(*before, room // RUN, 2, RUN))
    return (parts[..., 0, :] + np.complex64(1j) * parts[..., 1, :]).reshape(words.shape)
