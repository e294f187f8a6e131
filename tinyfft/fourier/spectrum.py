"""spectrum: real planes, padded with zeros -> half spectra.

Computes  out[q, (a, tile), (phase, b)] = DFT of the window of plane (a, b) at frequency q; its conjugate for "w" and
          "y" (tinyfft/fourier). Given a ReLU's output, of masked = planes where relu_output > 0, else 0: masked is the
          ReLU's gradInput, and may be the planes' own array.
Input     planes  real     (A, B, h, w); relu_output likewise
Output    out     complex  (Q, A T, P B), frequency first; masked like the planes
          On the CPU (3 Q, A T, P B): re, im and re + im, in the order of cpu/matrix_dft.py.
          For bf16 products blocks of pairs of bfloat16 (bf16_blocks.cuh); maps that fill up a block are zero.
Windows   axis.Window says which rows and columns are a line's points; all others are zero.
CPU       cpu/transforms.py
GPU       kernels/fourier/spectrum.cu, launched by gpu/transforms.py
"""

from tinyfft.arena import Arena
from tinyfft.backend import Array, Device
from tinyfft.cuda.source import Source
from tinyfft.fourier.cpu import transforms as cpu_transforms
from tinyfft.fourier.gpu import transforms as gpu_transforms
from tinyfft.fourier.plan import Plan

CONJUGATED = ("w", "y")
"""The spectra that are stored conjugated; "y" is gradOutput where its spectrum is computed."""


def spectrum(
    planes: Array,
    plan: Plan,
    name: str,
    out: Array,
    arena: Arena,
    *,
    relu_output: Array | None = None,
    masked: Array | None = None,
) -> None:
    """Write the half spectra of `planes`, the plan's "x", "w" or "y", into `out`."""
    check_arrays(planes, plan, name, out)
    if arena.device.kind == "cpu":
        cpu_transforms.spectrum(planes, plan, name, out, arena, name in CONJUGATED, relu_output, masked)
        return
    arguments, options = (planes, out, relu_output, masked), _kernel_options(name, relu_output is not None)
    gpu_transforms.run("spectrum", plan, name, planes, arena.device, arguments, **options)


def source(plan: Plan, name: str, device: Device, relu: bool = False) -> Source:
    """Return the GPU's kernel; `relu` if planes are masked by a ReLU's output."""
    return gpu_transforms.source("spectrum", plan, name, device, **_kernel_options(name, relu))


def window_sums(hat: Array) -> Array:
    """Return the sum of the pixels of each window, (A T, P B), as real parts: the zero frequency."""
    return hat[0]  # of the CPU's three reals the first is the real part


def check_arrays(planes: Array, plan: Plan, name: str, hat: Array) -> None:
    """Our own invariants, shared with `signal`: planes and spectra fit the plan and each other."""
    assert hat.shape == plan.spectrum_shape(name), (hat.shape, plan.spectrum_shape(name))
    assert hat.dtype == plan.spectrum_dtype, (hat.dtype, plan.spectrum_dtype)
    rows, columns = plan.windows(name)
    assert planes.shape[2] >= rows.size, (planes.shape, rows)
    assert planes.shape[3] >= columns.size, (planes.shape, columns)
    assert planes.itemsize == plan.itemsize, (planes.dtype, plan.itemsize)
    assert type(hat) is type(planes), (type(hat), type(planes))
    assert hat.flags.c_contiguous, hat.strides


def _kernel_options(name: str, relu: bool) -> dict[str, bool]:
    return {"conjugate": name in CONJUGATED, "relu": relu}
