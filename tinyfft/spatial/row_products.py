"""Convolution by unrolled rows and matrix products on a CPU: the direct method, for a block of n samples.

With h = stride i + u - before a row of the input, X_h (C kW, n oW) its columns as `unroll` makes them, w_u (F, C kW)
row u of the kernel, and y_i, gy_i (F, n oW) row i of the output and of its gradient:

    convolve         y_i     = sum_u w_u X_h + bias    (F, kH C kW) @ (kH C kW, n oW)    for each i
    input_gradient   X'_h    = sum_u w_u^T gy_i        (C kW, kH F) @ (kH F, n oW)       for each h, then `roll`
    weight_gradient  gw_u^T += X_h gy_i^T              (kH C kW, n oW) @ (n oW, F)       for each i

Each is one product for all u at once, without those whose h lies in the padding.
Plan     the layer's, of which only the axes count (fourier/axis.py)
Scratch  from the arena, in which a frame of `scratch_bytes` must be open
Threads share the rows or the maps of a block.
"""

from math import ceil, inf, prod

import numpy as np

from tinyfft.backend import Array
from tinyfft.cpu import threads
from tinyfft.fourier.arena import Arena, LimitError, aligned
from tinyfft.fourier.axis import Axis
from tinyfft.fourier.plan import Plan
from tinyfft.spatial.unroll import backwards, padded_size, read_by, readers_of, roll, unroll

BLOCK_BYTES = 1 << 26
"""Memory for columns: enough for `WIDTH` in all but large planes."""
WIDTH = 2048
"""n oW from which products get no faster; with few maps 512 take up to a third longer."""


def blocks(plan: Plan, limit: float) -> list[slice]:
    """The minibatch in blocks as equal as can be, for which `limit` bytes of the arena are enough.

    Raises LimitError if they are not enough for one sample.
    """
    y, x = plan.y.axis, plan.x.axis
    columns = y.size * plan.C * x.kernel * x.out * plan.itemsize
    most = max(1, min(BLOCK_BYTES // columns, WIDTH // x.out))
    if limit < inf:
        fixed, one = scratch_bytes(plan, 0), scratch_bytes(plan, 1)
        if one > limit:
            raise LimitError(f"one sample needs {one} bytes of the arena, arena.limit_bytes allows {limit}")
        most = min(most, int(limit - fixed) // (one - fixed))
    return threads.split(plan.S, ceil(plan.S / most))


def scratch_bytes(plan: Plan, samples: int) -> int:
    """Bytes of the arena that each pass may take for a block of so many samples."""
    y, x = plan.y.axis, plan.x.axis
    of_weight = plan.F * plan.C * y.kernel * x.kernel
    of_sample = (y.size * plan.C * padded_size(x), y.size * plan.C * x.kernel * x.out, y.out * plan.F * x.out)
    numbers = (of_weight, of_weight, *(samples * count for count in of_sample))
    return sum(aligned(count * plan.itemsize) for count in numbers)


def convolve(input: Array, weight: Array, bias: Array | None, output: Array, plan: Plan, arena: Arena) -> None:
    """output (n, F, oH, oW), from input (n, C, H, W), weight (F, kH, C, kW) and bias (F,)."""
    y, x = plan.y.axis, plan.x.axis
    with arena.frame(0):
        columns = _columns(input, x, arena)
        rows = _rows(output, arena)

        def multiply(part: slice) -> None:
            for i in range(part.start, part.stop):
                taps, read = read_by(y, i)
                np.matmul(_matrix(weight[:, taps], 1), _matrix(columns[read], 3), out=_matrix(rows[i], 1))
            products = rows[part].transpose(2, 1, 0, 3)
            if bias is None:
                output[:, :, part] = products
            else:
                np.add(products, bias[:, None, None], out=output[:, :, part])

        threads.run(y.out, multiply)


def input_gradient(gradOutput: Array, weight: Array, gradInput: Array, plan: Plan, arena: Arena) -> None:
    """gradInput (n, C, H, W), from gradOutput (n, F, oH, oW) and weight (C, kW, kH, F), kH as `backwards` orders it."""
    y, x = plan.y.axis, plan.x.axis
    with arena.frame(0):
        rows = _rows(gradOutput, arena)
        padded, columns = _room_for_columns(gradInput, x, arena)

        def multiply(part: slice) -> None:
            for h in range(part.start, part.stop):
                taps, read = readers_of(y, h)
                np.matmul(_matrix(weight[:, :, taps], 2), _matrix(rows[read], 2), out=_matrix(columns[h], 2))
            roll(columns[part], padded[part], gradInput[:, :, part], x)

        threads.run(weight.shape[3], lambda part: _copy_rows(gradOutput, rows, part))
        threads.run(y.size, multiply)


def weight_gradient(input: Array, gradOutput: Array, gradWeight: Array, plan: Plan, arena: Arena) -> None:
    """Add to gradWeight (kH, C, kW, F), from input (n, C, H, W) and gradOutput (n, F, oH, oW)."""
    y, x = plan.y.axis, plan.x.axis
    F = gradWeight.shape[3]
    total = _matrix(gradWeight, 3)
    of_row = len(total) // y.kernel  # C kW
    with arena.frame(0):
        columns = _matrix(_columns(input, x, arena), 3)
        rows = _rows(gradOutput, arena)
        product = arena.take(total.shape, total.dtype)

        def multiply(part: slice) -> None:
            for i in range(y.out):
                taps, read = read_by(y, i)
                start, stop = max(part.start, of_row * taps.start), min(part.stop, of_row * taps.stop)
                if start < stop:
                    shift = of_row * (read.start - taps.start)
                    inputs = columns[start + shift : stop + shift]
                    np.matmul(inputs, _matrix(rows[i], 1).T, out=product[start:stop])
                    total[start:stop] += product[start:stop]

        threads.run(F, lambda part: _copy_rows(gradOutput, rows, part))
        threads.run(len(total), multiply)


def by_rows(weight: Array, arena: Arena) -> Array:
    """weight (F, C, kH, kW) as `convolve` reads it, (F, kH, C, kW)."""
    F, C, kH, kW = weight.shape
    ordered = arena.take((F, kH, C, kW), weight.dtype)

    def copy(part: slice) -> None:
        ordered[part] = weight[part].swapaxes(1, 2)

    threads.run(F, copy)
    return ordered


def by_rows_backwards(weight: Array, y: Axis, arena: Arena) -> Array:
    """weight (F, C, kH, kW) as `input_gradient` reads it, (C, kW, kH, F)."""
    F, C, kH, kW = weight.shape
    ordered = arena.take((C, kW, kH, F), weight.dtype)

    def copy(part: slice) -> None:
        for place, u in enumerate(backwards(y)):
            ordered[part, :, place] = weight[:, part, u].transpose(1, 2, 0)

    threads.run(C, copy)
    return ordered


def _columns(input: Array, x: Axis, arena: Arena) -> Array:
    """The columns (H, C, kW, n, oW) of a block."""
    padded, columns = _room_for_columns(input, x, arena)

    def copy(part: slice) -> None:
        unroll(input[:, :, part], padded[part], columns[part], x)

    threads.run(len(columns), copy)
    return columns


def _room_for_columns(input: Array, x: Axis, arena: Arena) -> tuple[Array, Array]:
    """Room for the padded rows and the columns of a block (unroll.py)."""
    n, C, H, _ = input.shape
    padded = arena.take((H, C, n, padded_size(x)), input.dtype)
    return padded, arena.take((H, C, x.kernel, n, x.out), input.dtype)


def _rows(output: Array, arena: Arena) -> Array:
    """Room for y_i or gy_i, all i: (oH, F, n, oW)."""
    n, F, oH, oW = output.shape
    return arena.take((oH, F, n, oW), output.dtype)


def _copy_rows(gradOutput: Array, rows: Array, part: slice) -> None:
    rows[:, part] = gradOutput[:, part].transpose(2, 1, 0, 3)


def _matrix(array: Array, axes: int) -> Array:
    """`array` with its first `axes` axes as rows, all others as columns."""
    return array.reshape(prod(array.shape[:axes]), prod(array.shape[axes:]))
