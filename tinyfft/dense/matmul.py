"""Products of real matrices.

matmul      out = a @ b
add_matmul  out += scale a @ b
Shapes  a (m, k), b (k, n), out (m, n), which is in C order
Dtypes  float32, float64. Precision of float32 on a GPU: "fp32", or on its tensor cores with `tf32`. There a and b
        may be transposed views of arrays in C order; others are copied
"""

from tinyfft import parallel
from tinyfft.backend import Array, Device
from tinyfft.dense import cublas


def matmul(a: Array, b: Array, out: Array, device: Device, tf32: bool = False) -> Array:
    """Write the product into `out`, and return it."""
    if device.kind == "cpu":
        parallel.matmul(a, b, out)
    else:
        _gemm(a, b, out, device, tf32=tf32)
    return out


def add_matmul(a: Array, b: Array, out: Array, device: Device, scale: float = 1, tf32: bool = False) -> None:
    """Add `scale` times the product to `out`."""
    if device.kind == "cuda":
        _gemm(a, b, out, device, scale=scale, add=True, tf32=tf32)
        return

    def add(out: Array, a: Array) -> None:
        product = device.empty(out.shape, out.dtype)
        parallel.matmul(a, b, product)
        if scale != 1:
            product *= scale
        out += product

    device.blockwise(add, out, a)


def _gemm(a: Array, b: Array, out: Array, device: Device, **how: float) -> None:
    a, transpose_a = _in_order(a, device)
    b, transpose_b = _in_order(b, device)
    cublas.gemm(a, b, out, device, transpose_a=transpose_a, transpose_b=transpose_b, **how)


def _in_order(m: Array, device: Device) -> tuple[Array, bool]:
    """(the matrix or its transpose, in C order; whether it is the transpose)."""
    if m.T.flags.c_contiguous and not m.flags.c_contiguous:
        return m.T, True
    return device.xp.ascontiguousarray(m), False
