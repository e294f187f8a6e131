"""The host build of the kernels: compiles the real sources with the C++ compiler and runs them in this process."""

import ctypes
import hashlib
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tinyfft.fourier.kernel import grid

COMPILER = shutil.which("g++") or shutil.which("c++")
HEADER = Path(__file__).with_name("host_gpu.h")
PARAMETERS = {
    "spectrum": {"planes": "const real*", "out": "number*", "rectified": "const real*", "masked": "real*"},
    "signal": {
        "hat": "const number*",
        "planes": "real*",
        "bias": "const real*",
        "scale": "double",
        "rectified": "real*",
    },
}


def run(kernel, layout, *arguments, edit=None):
    """Launch a specialised kernel on NumPy arrays (or None, or a float); `edit` changes the source first."""
    source = kernel.source() if edit is None else edit(kernel.source())
    launch = _build(source, kernel.stem)
    converted = [
        ctypes.c_double(a) if isinstance(a, float) else None if a is None else a.ctypes.data_as(ctypes.c_void_p)
        for a in arguments
    ]
    blocks = grid(kernel, layout)
    launch(*blocks, kernel.threads, ctypes.c_size_t(kernel.shared_bytes), *converted, ctypes.byref(layout))


@cache
def _folder():
    return Path(tempfile.mkdtemp(prefix="tinyfft-host-"))


@cache
def _build(source, stem):
    parameters = {**PARAMETERS[stem], "layout": "const Layout*"}
    declared = "".join(f"static {kind} {name};\n" for name, kind in parameters.items())
    taken = ", ".join(f"{kind} {name}_" for name, kind in parameters.items())
    stored = " ".join(f"{name} = {name}_;" for name in parameters)
    program = f"""#include "{HEADER}"
{source.replace('extern "C" __global__', "__global__")}
namespace launched {{
{declared}static void call() {{ {stem}({", ".join(PARAMETERS[stem])}, *layout); }}
}}
extern "C" void launch(unsigned x, unsigned y, unsigned threads, size_t shared, {taken}) {{
    using namespace launched;
    {stored}
    host::run_grid(x, y, threads, shared, launched::call);
}}
"""
    library = _folder() / f"{stem}-{hashlib.sha256(program.encode()).hexdigest()[:16]}.so"
    command = [COMPILER, "-std=c++17", "-O0", "-shared", "-fPIC", "-w", "-x", "c++", "-", "-o", str(library)]
    done = subprocess.run(command, input=program, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(library)).launch
