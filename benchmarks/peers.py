"""The peer of a layer: PyTorch's convolution, through cuDNN on a GPU and oneDNN on a CPU.

It gets the better of NCHW and channels_last for each pass, cuDNN's benchmark mode, and as many threads as NumPy.
"""

import gc
import os
from collections.abc import Callable
from functools import partial

import torch

from benchmarks.clock import milliseconds
from benchmarks.shapes import Layer
from tinyfft.backend import Array, Device
from tinyfft.fourier import arena
from tinyfft.nn.convolution_layer import PASSES

LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}


def prepare(device: Device) -> dict[str, str]:
    """Switch PyTorch to its fastest on `device`; returns what its times depend on."""
    versions = {"PyTorch": torch.__version__}
    if device.kind == "cuda":
        torch.backends.cudnn.benchmark = True
        return versions | {"cuDNN": str(torch.backends.cudnn.version()), "CUDA": str(torch.version.cuda)}
    # the number that NumPy's OpenBLAS takes; PyTorch by itself takes one thread a physical core
    asked = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(int(asked or cores))
    return versions | {"threads": str(torch.get_num_threads())}


def set_precision(precision: str) -> None:
    """Allow TF32 in PyTorch's convolutions and matrix products, or not: in fp32 they shall be what they are called."""
    allowed = precision != "fp32"
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cuda.matmul.allow_tf32 = allowed


def passes(
    layer: Layer, precision: str, layout: str, x: Array, weight: Array, bias: Array, gy: Array
) -> dict[str, Callable[[], torch.Tensor]]:
    """The three passes of PyTorch's convolution, as calls; accGradParameters gives the gradient of the bias too."""
    set_precision(precision)
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    tx, tw, tgy = (torch.as_tensor(a).to(kind).contiguous(memory_format=LAYOUTS[layout]) for a in (x, weight, gy))
    tb = torch.as_tensor(bias).to(kind)
    return {
        "updateOutput": lambda: torch.nn.functional.conv2d(tx, tw, tb, padding=layer.padding),
        "updateGradInput": lambda: gradients(layer, tx, tw, tgy, (True, False, False))[0],
        "accGradParameters": lambda: gradients(layer, tx, tw, tgy, (False, True, True))[1],
    }


def gradients(
    layer: Layer, x: torch.Tensor, weight: torch.Tensor, gy: torch.Tensor, wanted: tuple[bool, bool, bool]
) -> tuple[torch.Tensor | None, ...]:
    """PyTorch's gradients of the input, the weights and the bias, None where they are not wanted."""
    padding = [(layer.k - 1) // 2 if layer.padding == "same" else layer.padding] * 2
    return torch.ops.aten.convolution_backward(
        gy, x, weight, [layer.F], [1, 1], padding, [1, 1], False, [0, 0], 1, list(wanted)
    )


def time_passes(calls: dict[str, dict[str, Callable]], device: Device) -> tuple[dict[str, float], dict[str, str]]:
    """(milliseconds, layout) of each pass in its better layout; `calls` is by layout, then by pass."""
    clock = partial(milliseconds, device=device, ahead=True)
    times = {layout: {name: clock(call) for name, call in of.items()} for layout, of in calls.items()}
    best = {name: min(times, key=lambda layout, name=name: times[layout][name]) for name in PASSES}
    return {name: times[best[name]][name] for name in PASSES}, best


def free_memory(device: Device) -> None:
    """Give back what the arena, CuPy and PyTorch hold on a GPU without using it.

    So none leaves too little to another, and the next network's memory is its own.
    """
    arena.release(device)
    gc.collect()
    if device.kind == "cuda":
        torch.cuda.empty_cache()
        device.xp.get_default_memory_pool().free_all_blocks()
