"""bfloat16, of which NumPy knows nothing: the upper 16 bits of a float32, in arrays of uint16."""

import numpy as np


def to_bfloat16(x):
    """Rounded to the nearest, ties to even."""
    bits = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def from_bfloat16(bits):
    """As float32, exactly."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def to_pairs(z):
    """Complex numbers as uint32: the real part in the lower half, the imaginary one in the upper."""
    return to_bfloat16(z.real) | to_bfloat16(z.imag).astype(np.uint32) << 16


def from_pairs(bits):
    """As complex64, exactly."""
    return from_bfloat16(bits.astype(np.uint16)) + np.complex64(1j) * from_bfloat16((bits >> 16).astype(np.uint16))
