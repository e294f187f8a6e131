"""Direct convolution of a block of n samples on a CPU: one matrix product for each row of the output.

X_h (C kW, n oW) are the columns of row h of the images (im2col.py), w_u (F, C kW) is row u of the kernels, and y_i and
gy_i (F, n oW) are row i of the output and of its gradient. For output i, row u of the kernels meets row
h = stride i + u - before of the images:

    convolve         y_i     = sum_u w_u X_h + bias    (F, kH C kW) @ (kH C kW, n oW)    for each i
    input_gradient   X'_h    = sum_u w_u^T gy_i        (C kW, kH F) @ (kH F, n oW)       for each h, then `col2im`
    weight_gradient  gw_u^T += X_h gy_i^T              (kH C kW, n oW) @ (n oW, F)       for each i

Each is one product for all u at once, without the rows u whose h lies in the padding.
Plan     the layer's; only its axes count (fourier/axis.py)
Scratch  from the arena, in which a frame of `scratch_bytes` must be open
Threads share the rows or the maps of a block.
"""

from math import ceil, inf, prod

import numpy as np

from tinyfft.arena import Arena, LimitError, aligned
from tinyfft.backend import Array
from tinyfft.cpu import threads
from tinyfft.fourier.axis import Axis
from tinyfft.fourier.plan import Plan
from tinyfft.ops.direct_convolution.im2col import col2im, im2col, padded_size, tap_order, taps_of_input, taps_of_output

BLOCK_BYTES = 1 << 26
"""Memory for a block's columns: enough for BLOCK_WIDTH except in very large planes."""
BLOCK_WIDTH = 2048
"""n oW of a block, in numbers. Wider products are no faster; with few maps, 512 take up to a third longer."""


def blocks(plan: Plan, limit: float) -> list[slice]:
    """Cut the minibatch into blocks of nearly equal size, each of which needs at most `limit` bytes of the arena.

    Raises LimitError if one sample needs more.
    """
    y, x = plan.y.axis, plan.x.axis
    column_bytes = y.size * plan.C * x.kernel * x.out * plan.itemsize  # of one sample
    most = max(1, min(BLOCK_BYTES // column_bytes, BLOCK_WIDTH // x.out))
    if limit < inf:
        fixed, one = scratch_bytes(plan, 0), scratch_bytes(plan, 1)
        if one > limit:
            raise LimitError(f"one sample needs {one} bytes of the arena, arena.limit_bytes allows {limit}")
        most = min(most, int(limit - fixed) // (one - fixed))
    return threads.split(plan.S, ceil(plan.S / most))


def scratch_bytes(plan: Plan, samples: int) -> int:
    """Return the bytes of the arena that a pass takes at most for a block of `samples` samples."""
    y, x = plan.y.axis, plan.x.axis
    weights = plan.F * plan.C * y.kernel * x.kernel
    padded, columns, rows = y.size * plan.C * padded_size(x), y.size * plan.C * x.kernel * x.out, y.out * plan.F * x.out
    numbers = (weights, weights, samples * padded, samples * columns, samples * rows)
    return sum(aligned(count * plan.itemsize) for count in numbers)


def convolve(input: Array, weight: Array, bias: Array | None, output: Array, plan: Plan, arena: Arena) -> None:
    """Write output (n, F, oH, oW), from input (n, C, H, W), weight (F, kH, C, kW) and bias (F,)."""
    y, x = plan.y.axis, plan.x.axis
    with arena.frame(0):
        columns = _columns(input, x, arena)
        rows = _take_rows(output, arena)

        def multiply(part: slice) -> None:
            for i in range(part.start, part.stop):
                taps, inputs = taps_of_output(y, i)
                np.matmul(_matrix(weight[:, taps], 1), _matrix(columns[inputs], 3), out=_matrix(rows[i], 1))
            products = rows[part].transpose(2, 1, 0, 3)
            if bias is None:
                output[:, :, part] = products
            else:
                np.add(products, bias[:, None, None], out=output[:, :, part])

        threads.run(y.out, multiply)


def input_gradient(gradOutput: Array, weight: Array, gradInput: Array, plan: Plan, arena: Arena) -> None:
    """Write gradInput (n, C, H, W), from gradOutput (n, F, oH, oW) and weight (C, kW, kH in `tap_order`, F)."""
    y, x = plan.y.axis, plan.x.axis
    with arena.frame(0):
        rows = _take_rows(gradOutput, arena)
        padded, columns = _take_columns(gradInput, x, arena)

        def multiply(part: slice) -> None:
            for h in range(part.start, part.stop):
                taps, outputs = taps_of_input(y, h)
                np.matmul(_matrix(weight[:, :, taps], 2), _matrix(rows[outputs], 2), out=_matrix(columns[h], 2))
            col2im(columns[part], padded[part], gradInput[:, :, part], x)

        threads.run(weight.shape[3], lambda maps: _copy_rows(gradOutput, rows, maps))
        threads.run(y.size, multiply)


def weight_gradient(input: Array, gradOutput: Array, gradWeight: Array, plan: Plan, arena: Arena) -> None:
    """Add to gradWeight (kH, C, kW, F), from input (n, C, H, W) and gradOutput (n, F, oH, oW)."""
    y, x = plan.y.axis, plan.x.axis
    F = gradWeight.shape[3]
    total = _matrix(gradWeight, 3)
    lines = len(total) // y.kernel  # C kW, of one row of the kernels
    with arena.frame(0):
        columns = _matrix(_columns(input, x, arena), 3)
        rows = _take_rows(gradOutput, arena)
        product = arena.take(total.shape, total.dtype)

        def multiply(part: slice) -> None:
            for i in range(y.out):
                taps, inputs = taps_of_output(y, i)
                start, stop = max(part.start, lines * taps.start), min(part.stop, lines * taps.stop)
                if start < stop:
                    shift = lines * (inputs.start - taps.start)
                    np.matmul(columns[start + shift : stop + shift], _matrix(rows[i], 1).T, out=product[start:stop])
                    total[start:stop] += product[start:stop]

        threads.run(F, lambda maps: _copy_rows(gradOutput, rows, maps))
        threads.run(len(total), multiply)


def weight_for_output(weight: Array, arena: Arena) -> Array:
    """Return a copy (F, kH, C, kW) of weight (F, C, kH, kW), for `convolve`."""
    F, C, kH, kW = weight.shape
    ordered = arena.take((F, kH, C, kW), weight.dtype)

    def copy(part: slice) -> None:
        ordered[part] = weight[part].swapaxes(1, 2)

    threads.run(F, copy)
    return ordered


def weight_for_gradInput(weight: Array, y: Axis, arena: Arena) -> Array:
    """Return a copy (C, kW, kH in `tap_order`, F) of weight (F, C, kH, kW), for `input_gradient`."""
    F, C, kH, kW = weight.shape
    ordered = arena.take((C, kW, kH, F), weight.dtype)

    def copy(part: slice) -> None:
        for place, u in enumerate(tap_order(y)):
            ordered[part, :, place] = weight[:, part, u].transpose(1, 2, 0)

    threads.run(C, copy)
    return ordered


def _columns(input: Array, x: Axis, arena: Arena) -> Array:
    """Return the columns (H, C, kW, n, oW) of a block."""
    padded, columns = _take_columns(input, x, arena)
    threads.run(len(columns), lambda part: im2col(input[:, :, part], padded[part], columns[part], x))
    return columns


def _take_columns(input: Array, x: Axis, arena: Arena) -> tuple[Array, Array]:
    """Take arrays for the padded rows and the columns of a block (im2col.py)."""
    n, C, H, _ = input.shape
    padded = arena.take((H, C, n, padded_size(x)), input.dtype)
    return padded, arena.take((H, C, x.kernel, n, x.out), input.dtype)


def _take_rows(output: Array, arena: Arena) -> Array:
    """Take an array (oH, F, n, oW) for all y_i or gy_i."""
    n, F, oH, oW = output.shape
    return arena.take((oH, F, n, oW), output.dtype)


def _copy_rows(gradOutput: Array, rows: Array, maps: slice) -> None:
    rows[:, maps] = gradOutput[:, maps].transpose(2, 1, 0, 3)


def _matrix(array: Array, axes: int) -> Array:
    """Return a matrix: the first `axes` axes of `array` are its rows, all others its columns."""
    return array.reshape(prod(array.shape[:axes]), prod(array.shape[axes:]))
