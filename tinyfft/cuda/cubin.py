"""Compile kernels for one specific architecture, such as sm_90a, which CuPy's compiler does not support.

NVRTC compiles each source once, and the cubin is cached in `files.cache_folder() / "kernels"`. If that folder cannot be
read or written the source is compiled again.
"""

import atexit
import hashlib
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from tinyfft import files
from tinyfft.backend import Device

MAGIC = b"\x7fELF"  # the first bytes of a cubin


def module(source: str, architecture: str, device: Device) -> Any:
    """Return the kernels of a source as a module. Raises CuPy's CompileException with the compiler's log."""
    version = device.xp.cuda.nvrtc.getVersion()
    name = f"{hashlib.sha256(f'{version} {architecture} {source}'.encode()).hexdigest()}.cubin"
    path = _cached(name) or _written(name, compiled(source, architecture, device))
    return device.xp.RawModule(path=str(path))


def compiled(source: str, architecture: str, device: Device) -> bytes:
    """Return the cubin of a source."""
    nvrtc = device.xp.cuda.nvrtc
    program = nvrtc.createProgram(source, "kernel.cu", (), ())
    try:
        nvrtc.compileProgram(program, ("-std=c++17", f"-arch={architecture}"))
        return nvrtc.getCUBIN(program)
    except nvrtc.NVRTCError as error:
        raise device.xp.cuda.compiler.CompileException(
            nvrtc.getProgramLog(program), source, "kernel.cu", (), "nvrtc"
        ) from error
    finally:
        nvrtc.destroyProgram(program)


def _cached(name: str) -> Path | None:
    """Return the cached file, if it exists and begins like a cubin."""
    with suppress(OSError, RuntimeError):  # RuntimeError: the user has no home folder
        path = _folder() / name
        with path.open("rb") as file:
            return path if file.read(len(MAGIC)) == MAGIC else None
    return None


def _written(name: str, code: bytes) -> Path:
    """Write the file to the cache, or to this process's folder if that fails, and return its path."""
    with suppress(OSError, RuntimeError):
        path = _folder() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(path) as temporary:
            temporary.write_bytes(code)
        return path
    path = _own_folder() / name
    path.write_bytes(code)
    return path


def _folder() -> Path:
    return files.cache_folder() / "kernels"


@cache
def _own_folder() -> Path:
    """Make a folder for this process, removed at its end."""
    folder = tempfile.mkdtemp(prefix="tinyfft-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
