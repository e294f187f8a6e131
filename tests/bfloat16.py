"""bfloat16, which NumPy lacks: the upper 16 bits of a float32, in arrays of uint16."""

import numpy as np

BF16_BLOCK = 32


def to_bfloat16(x):
    """Round to the nearest bfloat16, ties to even."""
    bits = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def from_bfloat16(bits):
    """Return the same numbers as float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def to_bf16_blocks(z):
    """Return complex numbers (..., n) as uint32 (..., n rounded up to whole blocks), padded with zeros.

    A block holds the real parts of BF16_BLOCK numbers, then their imaginary parts.
    """
    *before, n = z.shape
    padded = -(-n // BF16_BLOCK) * BF16_BLOCK
    blocks = np.zeros((*before, padded // BF16_BLOCK, 2, BF16_BLOCK), np.uint16)
    for component, numbers in enumerate((z.real, z.imag)):
        line = np.zeros((*before, padded), np.uint16)
        line[..., :n] = to_bfloat16(numbers)
        blocks[..., component, :] = line.reshape(*before, padded // BF16_BLOCK, BF16_BLOCK)
    return blocks.view(np.uint32).reshape(*before, padded)


def from_bf16_blocks(words):
    """Return the numbers as complex64 of the same shape."""
    *before, n = words.shape
    halves = np.ascontiguousarray(words).view(np.uint16).reshape(*before, n // BF16_BLOCK, 2, BF16_BLOCK)
    blocks = from_bfloat16(halves)
    return (blocks[..., 0, :] + np.complex64(1j) * blocks[..., 1, :]).reshape(words.shape)
