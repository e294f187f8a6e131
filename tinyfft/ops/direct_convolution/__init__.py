"""Direct convolution as matrix products: on a CPU im2col along the rows of images, on a GPU implicit GEMM.

Shapes   input (S, C, H, W), output (S, F, oH, oW), weight (F, C, kH, kW), bias (F,); gradients have the same
Scratch  from the arena; raises LimitError if its limit is below the memory for one sample (CPU) or for the gradients'
         sums (GPU)
row_gemm.py computes a block of the minibatch at a time, implicit_gemm.py the whole minibatch.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tinyfft.arena import Arena
from tinyfft.backend import Array, Device
from tinyfft.cpu import threads
from tinyfft.cuda.source import Source
from tinyfft.fourier.plan import Plan
from tinyfft.ops.direct_convolution import implicit_gemm, row_gemm


def convolve(
    input: Array, weight: Array, bias: Array | None, output: Array, plan: Plan, arena: Arena, precision: str
) -> None:
    """Write output."""
    if arena.device.kind == "cuda":
        implicit_gemm.convolve(input, weight, bias, output, plan, arena.device, precision)
        return
    with _blocks(plan, arena) as blocks:
        weight = row_gemm.weight_for_output(weight, arena)
        for block in blocks:
            row_gemm.convolve(input[block], weight, bias, output[block], plan, arena)


def input_gradient(
    gradOutput: Array, weight: Array, gradInput: Array, plan: Plan, arena: Arena, precision: str
) -> None:
    """Write gradInput."""
    if arena.device.kind == "cuda":
        implicit_gemm.input_gradient(gradOutput, weight, gradInput, plan, arena.device, precision)
        return
    with _blocks(plan, arena) as blocks:
        weight = row_gemm.weight_for_gradInput(weight, plan.y.axis, arena)
        for block in blocks:
            row_gemm.input_gradient(gradOutput[block], weight, gradInput[block], plan, arena)


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
        gradients = (gradWeight, gradBias)
        implicit_gemm.parameter_gradients(input, gradOutput, *gradients, scale, plan, arena, precision)
        return
    F, C, kH, kW = gradWeight.shape
    with _blocks(plan, arena) as blocks:
        total = arena.take((kH, C, kW, F), gradWeight.dtype)
        total.fill(0)
        for block in blocks:
            row_gemm.weight_gradient(input[block], gradOutput[block], total, plan, arena)
        if scale != 1:
            total *= scale

        def add(maps: slice) -> None:
            gradWeight[maps] += total[..., maps].transpose(3, 1, 0, 2)
            if gradBias is not None:
                gradBias[maps] += scale * gradOutput[:, maps].sum(axis=(0, 2, 3))

        threads.run(F, add)


def kernels(plan: Plan, precision: str, device: Device) -> list[Source]:
    """Return the GPU kernels that the three passes launch; none on the CPU."""
    return implicit_gemm.kernels(plan, precision, device) if plan.kind == "cuda" else []


def scratch_bytes(plan: Plan) -> int:
    """Return the least bytes that the arena's limit must allow."""
    return implicit_gemm.scratch_bytes(plan) if plan.kind == "cuda" else row_gemm.scratch_bytes(plan, 1)


def countable(plan: Plan) -> bool:
    """Return whether a GPU's 32-bit integers can count all positions and offsets; a CPU has no such bound."""
    return plan.kind == "cpu" or implicit_gemm.countable(plan)


@contextmanager
def _blocks(plan: Plan, arena: Arena) -> Iterator[list[slice]]:
    """Yield the blocks of the minibatch, in an arena frame that has the scratch memory of the largest block."""
    blocks = row_gemm.blocks(plan, arena.limit)
    samples = max(block.stop - block.start for block in blocks)
    with arena.frame(row_gemm.scratch_bytes(plan, samples)):
        yield blocks
