"""signal: half spectra -> real planes, cropped to their windows, plus the bias.

Computes  planes[a, b] = (inverse DFT of hat[:, (a, tile), (phase, b)])[rows, columns of the window] + bias[b]
          With `scale` planes += scale * (the same sum): gradients add up, and so do overlapping tiles.
          With `relu` planes = max(the same sum, 0): the output of a fused ReLU.
Input     hat     complex  (Q, A T, P B), frequency first; the conjugate spectra for "x" (tinyfft/fourier); on the CPU
          three products (3 Q, A T, P B), as product.py leaves them; after bf16 products as spectrum.py writes them
Output    planes  real     (A, B, h, w); rows and columns outside the plan's windows are left as they are
Tiles are added in one fixed order, so that the same input gives the same bits.
CPU       cpu/transforms.py
GPU       kernels/fourier/signal.cu, launched by gpu/transforms.py
"""

from tinyfft.arena import Arena
from tinyfft.backend import Array, Device
from tinyfft.cuda.source import Source
from tinyfft.fourier.cpu import transforms as cpu_transforms
from tinyfft.fourier.gpu import transforms as gpu_transforms
from tinyfft.fourier.plan import Plan
from tinyfft.fourier.spectrum import check_arrays

CONJUGATED = ("x",)
"""The product that yields the spectrum of gradInput yields its conjugate."""


def signal(
    hat: Array,
    plan: Plan,
    name: str,
    planes: Array,
    arena: Arena,
    *,
    bias: Array | None = None,
    scale: float | None = None,
    relu: bool = False,
) -> None:
    """Write (`scale` None) or add the planes whose half spectra are `hat`, the plan's "x", "w" or "y"."""
    check_arrays(planes, plan, name, hat)
    if arena.device.kind == "cpu":
        cpu_transforms.signal(hat, plan, name, planes, arena, name in CONJUGATED, bias, scale, relu)
        return
    arguments = (hat, planes, bias, planes.dtype.type(1 if scale is None else scale))
    options = _kernel_options(name, scale is not None, relu)
    gpu_transforms.run("signal", plan, name, planes, arena.device, arguments, **options)


def source(plan: Plan, name: str, device: Device, accumulate: bool = False, relu: bool = False) -> Source:
    """Return the GPU's kernel; `accumulate` if planes are added to, `relu` if one is fused."""
    return gpu_transforms.source("signal", plan, name, device, **_kernel_options(name, accumulate, relu))


def _kernel_options(name: str, accumulate: bool, relu: bool) -> dict[str, bool]:
    return {"conjugate": name in CONJUGATED, "accumulate": accumulate, "relu": relu}
