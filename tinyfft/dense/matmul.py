"""Products of real matrices.

matmul      out = a @ b
add_matmul  out += scale a @ b
Shapes  a (m, k), b (k, n), out (m, n); out in C order. On a GPU a and b are copied unless they or their transposes are
        in C order
Dtypes  float32, float64. With `tf32` a GPU multiplies float32 on its tensor cores
"""

from tinyfft.backend import Array, Device
from tinyfft.cpu import threads
from tinyfft.cuda import cublas
from tinyfft.dense.column_sums import add_column_sums
from tinyfft.fourier.arena import aligned, current_arena

SPLIT_K_MAX_OUT, SPLIT_K_MIN_K, SPLIT_K_MAX_PARTS = 1 << 18, 256, 16
"""On a GPU the sums of a product of at most SPLIT_K_MAX_OUT numbers are split (split-K): into at most SPLIT_K_MAX_PARTS
parts of at least SPLIT_K_MIN_K terms each."""


def matmul(a: Array, b: Array, out: Array, device: Device, tf32: bool = False) -> Array:
    """Write the product to `out`, and return `out`."""
    if device.kind == "cpu":
        threads.matmul(a, b, out)
    elif (parts := _parts(a, out, device)) > 1:
        _split_k(parts, a, b, out, device, tf32)
    else:
        _multiply_views(a, b, out, device, tf32=tf32)
    return out


def add_matmul(a: Array, b: Array, out: Array, device: Device, scale: float = 1, tf32: bool = False) -> None:
    """Add `scale` times the product to `out`."""
    if device.kind == "cuda":
        _multiply_views(a, b, out, device, scale=scale, add=True, tf32=tf32)
        return

    def add(out: Array, a: Array) -> None:
        product = device.empty(out.shape, out.dtype)
        threads.matmul(a, b, product)
        if scale != 1:
            product *= scale
        out += product

    device.blockwise(add, out, a)


def _parts(a: Array, out: Array, device: Device) -> int:
    """Return the number of split-K parts: a small product of long sums would else have too few blocks."""
    k, limit = a.shape[1], current_arena(device).limit
    most = min(SPLIT_K_MAX_PARTS, k // SPLIT_K_MIN_K) if out.size <= SPLIT_K_MAX_OUT else 1
    fitting = (n for n in range(most, 1, -1) if k % n == 0 and aligned(n * out.nbytes) <= limit)
    return next(fitting, 1)


def _split_k(parts: int, a: Array, b: Array, out: Array, device: Device, tf32: bool) -> None:
    """Multiply all parts as one batch, then add them up."""
    (m, k), n = a.shape, b.shape[1]
    a, transpose_a = _in_order(a, device)
    b, transpose_b = _in_order(b, device)
    # the axis k is split, which in memory is an operand's rows or its columns
    a = a.reshape(parts, k // parts, m) if transpose_a else a.reshape(m, parts, k // parts).transpose(1, 0, 2)
    b = b.reshape(n, parts, k // parts).transpose(1, 0, 2) if transpose_b else b.reshape(parts, k // parts, n)
    arena = current_arena(device)
    with arena.frame(aligned(parts * out.nbytes)):
        products = arena.take((parts, m, n), out.dtype)
        cublas.gemm(a, b, products, device, transpose_a=transpose_a, transpose_b=transpose_b, tf32=tf32)
        out.fill(0)
        add_column_sums(products.reshape(parts, m * n), out.reshape(m * n), device)


def _multiply_views(a: Array, b: Array, out: Array, device: Device, **options: float) -> None:
    """Call cublas.gemm with operands that may be transposed views."""
    a, transpose_a = _in_order(a, device)
    b, transpose_b = _in_order(b, device)
    cublas.gemm(a, b, out, device, transpose_a=transpose_a, transpose_b=transpose_b, **options)


def _in_order(m: Array, device: Device) -> tuple[Array, bool]:
    """Return (the matrix or its transpose, in C order; whether it is the transpose)."""
    if m.T.flags.c_contiguous and not m.flags.c_contiguous:
        return m.T, True
    return device.xp.ascontiguousarray(m), False
