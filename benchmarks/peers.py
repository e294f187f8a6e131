"""PyTorch's side of a layer: its convolution through cuDNN on a GPU and oneDNN on a CPU.

Each pass gets the better of NCHW and channels_last, cuDNN's benchmark mode, and as many threads as NumPy.
"""

import gc
import os
from collections.abc import Callable
from functools import partial

import torch

from benchmarks.clock import milliseconds
from benchmarks.shapes import Layer
from tinyfft import arena
from tinyfft.backend import Array, Device
from tinyfft.nn.convolution_layer import PASSES

LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}

Passes = dict[str, Callable[[], torch.Tensor]]
"""Pass -> a call that computes it."""


def prepare(device: Device) -> dict[str, str]:
    """Set PyTorch to its fastest mode on `device`. Returns the versions and settings that its times depend on."""
    versions = {"PyTorch": torch.__version__}
    if device.kind == "cuda":
        torch.backends.cudnn.benchmark = True
        return versions | {"cuDNN": str(torch.backends.cudnn.version()), "CUDA": str(torch.version.cuda)}
    # as many as NumPy's OpenBLAS takes; PyTorch's default is one thread for each physical core
    asked = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(int(asked or cores))
    return versions | {"threads": str(torch.get_num_threads())}


def set_precision(precision: str) -> None:
    """Allow TF32 in PyTorch's convolutions and matrix products, except in fp32."""
    allowed = precision != "fp32"
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cuda.matmul.allow_tf32 = allowed


def passes(layer: Layer, precision: str, layout: str, x: Array, weight: Array, bias: Array, gy: Array) -> Passes:
    """Return the three passes of PyTorch's convolution. accGradParameters computes the gradient of the bias too."""
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
    """Return PyTorch's gradients of the input, the weights and the bias; None for each that is not wanted."""
    padding = [(layer.k - 1) // 2 if layer.padding == "same" else layer.padding] * 2
    return torch.ops.aten.convolution_backward(
        gy, x, weight, [layer.F], [1, 1], padding, [1, 1], False, [0, 0], 1, list(wanted)
    )


def time_passes(calls: dict[str, Passes], device: Device) -> tuple[dict[str, float], dict[str, str]]:
    """Return (milliseconds, layout) of each pass in its better layout. `calls` maps layouts to passes."""
    clock = partial(milliseconds, device=device, ahead=True)
    times = {layout: {name: clock(call) for name, call in of_layout.items()} for layout, of_layout in calls.items()}
    best = {name: min(times, key=lambda layout, name=name: times[layout][name]) for name in PASSES}
    return {name: times[best[name]][name] for name in PASSES}, best


def free_memory(device: Device) -> None:
    """Return the unused memory of the arena, CuPy and PyTorch to the GPU, so that none of them starves another."""
    arena.release(device)
    gc.collect()
    if device.kind == "cuda":
        torch.cuda.empty_cache()
        device.xp.get_default_memory_pool().free_all_blocks()
