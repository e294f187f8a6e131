"""bfloat16, of which NumPy knows nothing: the upper 16 bits of a float32, in arrays of uint16."""

import numpy as np


def to_bfloat16(x):
    """Rounded to the nearest, ties to even."""
    bits = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def from_bfloat16(bits):
    """As float32, exactly."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def three_planes(z):
    """(3, ...): the real parts, the imaginary parts and their sums."""
    return np.stack([to_bfloat16(part) for part in (z.real, z.imag, z.real + z.imag)])
