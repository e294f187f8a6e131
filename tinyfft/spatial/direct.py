"""The direct method, by what is fastest on a device: unrolled rows on a CPU, an implicit matrix product on a GPU.

Shapes   input (S, C, H, W), output (S, F, oH, oW), weight (F, C, kH, kW), bias (F,), gradients alike
Scratch  from the arena; raises LimitError if its limit is below what one sample, or the gradients' sums, need
row_products.py takes a block of the minibatch at a time, implicit_gemm.py all of it
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tinyfft.backend import Array, Device
from tinyfft.cpu import threads
from tinyfft.cuda.source import Source
from tinyfft.fourier.arena import Arena
from tinyfft.fourier.plan import Plan
from tinyfft.spatial import implicit_gemm, row_products


def convolve(
    input: Array, weight: Array, bias: Array | None, output: Array, plan: Plan, arena: Arena, precision: str
) -> None:
    """Write output."""
    if arena.device.kind == "cuda":
        implicit_gemm.convolve(input, weight, bias, output, plan, arena.device, precision)
        return
    with _blocks(plan, arena) as blocks:
        weight = row_products.by_rows(weight, arena)
        for block in blocks:
            row_products.convolve(input[block], weight, bias, output[block], plan, arena)


def input_gradient(
    gradOutput: Array, weight: Array, gradInput: Array, plan: Plan, arena: Arena, precision: str
) -> None:
    """Write gradInput."""
    if arena.device.kind == "cuda":
        implicit_gemm.input_gradient(gradOutput, weight, gradInput, plan, arena.device, precision)
        return
    with _blocks(plan, arena) as blocks:
        weight = row_products.by_rows_backwards(weight, plan.y.axis, arena)
        for block in blocks:
            row_products.input_gradient(gradOutput[block], weight, gradInput[block], plan, arena)


def parameter_gradients(
    input: Array,
    gradOutput: Array,
    gradWeight: Array,
    gradBias: Array | None,
    scale: float,
    plan: Plan,
    arena: Arena,
    precision: str,
) -> None:
    """Add scale times the gradients to gradWeight and gradBias."""
    if arena.device.kind == "cuda":
        arrays = (input, gradOutput, gradWeight, gradBias)
        implicit_gemm.parameter_gradients(*arrays, scale, plan, arena, precision)
        return
    F, C, kH, kW = gradWeight.shape
    with _blocks(plan, arena) as blocks:
        total = arena.take((kH, C, kW, F), gradWeight.dtype)
        total.fill(0)
        for block in blocks:
            row_products.weight_gradient(input[block], gradOutput[block], total, plan, arena)
        if scale != 1:
            total *= scale

        def add(part: slice) -> None:
            gradWeight[part] += total[..., part].transpose(3, 1, 0, 2)
            if gradBias is not None:
                gradBias[part] += scale * gradOutput[:, part].sum(axis=(0, 2, 3))

        threads.run(F, add)


def kernels(plan: Plan, precision: str, device: Device) -> list[Source]:
    """Return the GPU kernels that the three passes need; none on the CPU."""
    return implicit_gemm.kernels(plan, precision, device) if plan.kind == "cuda" else []


def scratch_bytes(plan: Plan) -> int:
    """The least that the arena must be allowed."""
    return implicit_gemm.scratch_bytes(plan) if plan.kind == "cuda" else row_products.scratch_bytes(plan, 1)


def countable(plan: Plan) -> bool:
    """Whether the method has numbers for all that it counts."""
    return plan.kind == "cpu" or implicit_gemm.countable(plan)


@contextmanager
def _blocks(plan: Plan, arena: Arena) -> Iterator[list[slice]]:
    """The blocks of the minibatch, while a frame for the scratch of the largest is open."""
    blocks = row_products.blocks(plan, arena.limit)
    samples = max(block.stop - block.start for block in blocks)
    with arena.frame(row_products.scratch_bytes(plan, samples)):
        yield blocks
