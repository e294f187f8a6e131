"""Compile the real CUDA sources with the C++ compiler, and run them in this process."""

import atexit
import ctypes
import hashlib
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from bfloat16 import from_bf16_blocks, to_bf16_blocks

from tinyfft import arena, autotune, backend
from tinyfft.cuda import cublas
from tinyfft.cuda import launch as gpu_launch
from tinyfft.cuda.tensor_map import TensorMap
from tinyfft.fourier.gpu import products, tensor_product
from tinyfft.fourier.gpu.kernel import grid
from tinyfft.ops import linear

COMPILER = shutil.which("g++") or shutil.which("c++")
HEADER, *MORE = (Path(__file__).with_name(f"host_{name}.h") for name in ("gpu", "mma", "wgmma"))
OPTIONS = ("-std=c++17", "-Og", "-ffp-contract=off", "-fPIC", "-w")


def stands_in(monkeypatch):
    """Return a device of kind "cuda" whose kernels run on the host. New modules live there."""
    device = backend.Device("cuda", 7)

    def on_host(source, name, blocks, threads, arguments, asked, shared_bytes=0):
        assert asked == device
        launch(source.text(), name, blocks, threads, arguments, shared_bytes)

    monkeypatch.setattr(gpu_launch, "run", on_host)
    monkeypatch.setattr(gpu_launch, "architecture", lambda device: 80)
    monkeypatch.setattr(cublas, "gemm", gemm)
    monkeypatch.setattr(tensor_product, "multiply", multiply)
    monkeypatch.setattr(autotune, "fastest", lambda device, problem, candidates, kernels=tuple: next(iter(candidates)))
    monkeypatch.setattr(gpu_launch, "compile_all", lambda kernels, device: None)
    monkeypatch.setattr(linear, "current_arena", arena.Arena)
    monkeypatch.setattr(products, "_chosen", {})
    monkeypatch.setattr(backend.Device, "xp", property(lambda self: np))
    monkeypatch.setattr(backend.Device, "free_bytes", property(lambda self: 1 << 36))
    monkeypatch.setattr(backend, "_current", device)
    return device


def gemm(a, b, out, device, *, transpose_a=False, transpose_b=False, scale=1, add=False, tf32=False):
    """cublas.gemm in NumPy."""
    assert all(m.strides[-1] == m.itemsize or m.shape[-1] == 1 for m in (a, b, out))
    a, b = (m.swapaxes(-1, -2) if flag else m for m, flag in ((a, transpose_a), (b, transpose_b)))
    out[...] = scale * np.matmul(a, b) + (out if add else 0)


def multiply(a, b, out, device, *, transpose_a, transpose_b, precision):
    """tensor_product.multiply in NumPy, which is faster; the kernel has its own tests."""
    bf16 = precision == "bf16"
    a, b = (from_bf16_blocks(m) if bf16 else m for m in (a, b))
    a, b = (m.swapaxes(-1, -2) if flag else m for m, flag in ((a, transpose_a), (b, transpose_b)))
    out[...] = to_bf16_blocks(np.matmul(a, b)) if bf16 else np.matmul(a, b)


def boxes(array, sizes, strides, box):
    """tensor_map.boxes, in the form that host_wgmma.h reads."""
    return TensorMap((array.ctypes.data, *sizes, *strides, *box))


def run(kernel, layout, *arguments, edit=None):
    """Launch a specialised transform, after `edit` of its source. A float gets the kernel's precision."""
    real = np.dtype(f"f{kernel.itemsize}").type
    numbers = [real(a) if isinstance(a, float) else a for a in arguments]
    text = kernel.source().text()
    source = text if edit is None else edit(text)
    launch(source, kernel.stem, grid(kernel, layout), kernel.threads, (*numbers, layout), kernel.shared_bytes)


def launch(source, name, blocks, threads, arguments, shared_bytes=0):
    """Launch kernel `name` of a source. Arguments are NumPy arrays, None, NumPy numbers and structures."""
    held = [_as_ctypes(argument) for argument in arguments]
    pointers = (ctypes.c_void_p * len(held))(*map(ctypes.addressof, held))
    getattr(_build(source), f"launch_{name}")(*blocks, threads, ctypes.c_size_t(shared_bytes), pointers)


def _as_ctypes(argument):
    if argument is None or isinstance(argument, np.ndarray):
        return ctypes.c_void_p(None if argument is None else argument.ctypes.data)
    return np.ctypeslib.as_ctypes(np.asarray(argument)) if isinstance(argument, np.generic) else argument


@cache
def _folder():
    """Return the folder of the precompiled header: to parse it takes four times as long as a kernel."""
    folder = Path(tempfile.mkdtemp(prefix="tinyfft-host-"))
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True))
    header = shutil.copy(HEADER, folder)
    for more in MORE:
        shutil.copy(more, folder)
    _compile("-x", "c++-header", header, "-o", f"{header}.gch")
    return folder


@cache
def _build(source):
    """Build all kernels of a source at once: the compiler takes as long for the headers as for the kernels."""
    names = re.findall(r'extern "C" __global__ void\s+(?:__launch_bounds__\([^)]*\)\s+)?(\w+)\(', source)
    launchers = [
        f"""extern "C" void launch_{name}(unsigned x, unsigned y, unsigned threads, size_t shared, void** arguments) {{
    host::arguments = arguments;
    host::run_grid(x, y, threads, shared, [] {{ host::call({name}); }});
}}"""
        for name in names
    ]
    source = source.replace('extern "C" __global__', "__global__")
    program = "\n".join([f'#include "{HEADER.name}"', source, *launchers, ""])
    library = _folder() / f"{names[0]}-{hashlib.sha256(program.encode()).hexdigest()[:16]}.so"
    libraries = ("-nodefaultlibs", "-lstdc++")  # loads the others; to link them takes a quarter of the time
    _compile("-shared", "-I", str(_folder()), "-x", "c++", "-", "-o", str(library), *libraries, text=program)
    return ctypes.CDLL(str(library))


def _compile(*arguments, text=None):
    done = subprocess.run([COMPILER, *OPTIONS, *arguments], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
