"""Convolution by unrolled rows and matrix products: what nn/direct_convolution.py computes, for a block of n samples.

With h = stride i + u - before a row of the input, X_h (C kW, n oW) its columns as `unroll` makes them, w_u (F, C kW)
row u of the kernel, and y_i, gy_i (F, n oW) row i of the output and of its gradient:

    convolve         y_i     = sum_u w_u X_h + bias    (F, kH C kW) @ (kH C kW, n oW)    for each i
    input_gradient   X'_h    = sum_u w_u^T gy_i        (C kW, kH F) @ (kH F, n oW)       for each h, then `roll`
    weight_gradient  gw_u^T += X_h gy_i^T              (kH C kW, n oW) @ (n oW, F)       for each i

Each is one product for all u at once, without those whose h lies in the padding.
Axes     (rows, columns) of the planes, as in fourier/axis.py
Scratch  called with a name and a shape, it gives scratch memory and keeps it
A CPU's threads share the rows or the maps of a block; a GPU takes all of it at once.
"""

from collections.abc import Callable
from math import ceil, prod

from tinyfft import parallel
from tinyfft.backend import Array, Device
from tinyfft.fourier.axis import Axis
from tinyfft.spatial.unroll import backwards, padded_size, read_by, readers_of, roll, unroll

Axes = tuple[Axis, Axis]
Scratch = Callable[[str, tuple[int, ...]], Array]

BLOCK_BYTES = {"cpu": 1 << 26, "cuda": 1 << 28}
"""Memory for columns: on a GPU enough for few launches, on a CPU for `WIDTH` in all but large planes."""
WIDTH = {"cpu": 512, "cuda": 1 << 31}
"""n oW from which a CPU's products get no faster; from 1024 on those of few maps lose up to half their speed."""


def blocks(samples: int, sample: tuple[int, ...], itemsize: int, device: Device) -> list[slice]:
    """The minibatch in blocks as equal as can be; `sample` is the shape (H, C, kW, oW) of the columns of one."""
    most = min(BLOCK_BYTES[device.kind] // (prod(sample) * itemsize), WIDTH[device.kind] // sample[-1])
    return parallel.split(samples, ceil(samples / max(1, most)))


def convolve(
    input: Array, weight: Array, bias: Array | None, output: Array, axes: Axes, device: Device, scratch: Scratch
) -> None:
    """output (n, F, oH, oW), from input (n, C, H, W), weight (F, kH, C, kW) and bias (F,)."""
    y, x = axes
    columns = _columns(input, x, device, scratch)
    rows = _rows(output, scratch)

    def multiply(part: slice) -> None:
        for i in range(part.start, part.stop):
            taps, read = read_by(y, i)
            product = _matrix(rows[i], 1)
            device.xp.matmul(_matrix(weight[:, taps], 1), _matrix(columns[read], 3), out=product)
            if bias is not None:
                product += bias[:, None]
        output[:, :, part] = rows[part].transpose(2, 1, 0, 3)

    in_parts(device, y.out, multiply)


def input_gradient(
    gradOutput: Array, weight: Array, gradInput: Array, axes: Axes, device: Device, scratch: Scratch
) -> None:
    """gradInput (n, C, H, W), from gradOutput (n, F, oH, oW) and weight (C, kW, kH, F), kH as `backwards` orders it."""
    y, x = axes
    rows = _rows(gradOutput, scratch)
    padded, columns = _column_scratch(gradInput, x, scratch)

    def multiply(part: slice) -> None:
        for h in range(part.start, part.stop):
            taps, read = readers_of(y, h)
            device.xp.matmul(_matrix(weight[:, :, taps], 2), _matrix(rows[read], 2), out=_matrix(columns[h], 2))
        roll(columns[part], padded[part], gradInput[:, :, part], x)

    in_parts(device, weight.shape[3], lambda part: _copy_rows(gradOutput, rows, part))
    in_parts(device, y.size, multiply)


def weight_gradient(
    input: Array, gradOutput: Array, gradWeight: Array, axes: Axes, device: Device, scratch: Scratch
) -> None:
    """Add to gradWeight (kH, C, kW, F), from input (n, C, H, W) and gradOutput (n, F, oH, oW)."""
    y, x = axes
    F = gradWeight.shape[3]
    columns = _matrix(_columns(input, x, device, scratch), 3)
    rows = _rows(gradOutput, scratch)
    total = _matrix(gradWeight, 3)
    product = scratch("_product_scratch", total.shape)
    of_row = len(total) // y.kernel  # C kW

    def multiply(part: slice) -> None:
        for i in range(y.out):
            taps, read = read_by(y, i)
            start, stop = max(part.start, of_row * taps.start), min(part.stop, of_row * taps.stop)
            if start < stop:
                shift = of_row * (read.start - taps.start)
                inputs = columns[start + shift : stop + shift]
                device.xp.matmul(inputs, _matrix(rows[i], 1).T, out=product[start:stop])
                total[start:stop] += product[start:stop]

    in_parts(device, F, lambda part: _copy_rows(gradOutput, rows, part))
    in_parts(device, len(total), multiply)


def by_rows(weight: Array, device: Device, scratch: Scratch) -> Array:
    """weight (F, C, kH, kW) as `convolve` reads it, (F, kH, C, kW)."""
    F, C, kH, kW = weight.shape
    ordered = scratch("_weight_scratch", (F, kH, C, kW))

    def copy(part: slice) -> None:
        ordered[part] = weight[part].swapaxes(1, 2)

    in_parts(device, F, copy)
    return ordered


def by_rows_backwards(weight: Array, y: Axis, device: Device, scratch: Scratch) -> Array:
    """weight (F, C, kH, kW) as `input_gradient` reads it, (C, kW, kH, F)."""
    F, C, kH, kW = weight.shape
    ordered = scratch("_weight_scratch", (C, kW, kH, F))

    def copy(part: slice) -> None:
        for place, u in enumerate(backwards(y)):
            ordered[part, :, place] = weight[:, part, u].transpose(1, 2, 0)

    in_parts(device, C, copy)
    return ordered


def in_parts(device: Device, n: int, work: Callable[[slice], None]) -> None:
    """Call work(part) for slices that together are range(n): one for each of a CPU's threads, a single one on a GPU."""
    if device.kind == "cpu":
        parallel.run(n, work)
    else:
        work(slice(0, n))


def _columns(input: Array, x: Axis, device: Device, scratch: Scratch) -> Array:
    """The columns (H, C, kW, n, oW) of a block."""
    padded, columns = _column_scratch(input, x, scratch)

    def copy(part: slice) -> None:
        unroll(input[:, :, part], padded[part], columns[part], x, device.xp)

    in_parts(device, len(columns), copy)
    return columns


def _column_scratch(input: Array, x: Axis, scratch: Scratch) -> tuple[Array, Array]:
    """Room for the padded rows and the columns of a block (unroll.py)."""
    n, C, H, _ = input.shape
    padded = scratch("_padded_scratch", (H, C, n, padded_size(x)))
    return padded, scratch("_column_scratch", (H, C, x.kernel, n, x.out))


def _rows(output: Array, scratch: Scratch) -> Array:
    """Room for y_i or gy_i, all i: (oH, F, n, oW)."""
    n, F, oH, oW = output.shape
    return scratch("_row_scratch", (oH, F, n, oW))


def _copy_rows(gradOutput: Array, rows: Array, part: slice) -> None:
    rows[:, part] = gradOutput[:, part].transpose(2, 1, 0, 3)


def _matrix(array: Array, axes: int) -> Array:
    """`array` with its first `axes` axes as rows, all others as columns."""
    return array.reshape(prod(array.shape[:axes]), prod(array.shape[axes:]))
