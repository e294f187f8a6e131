"""Kernels for one architecture alone, such as sm_90a, which CuPy's compiler does not ask for.

NVRTC compiles them, once: they are kept as files, kernels/*.cubin in `files.cache_folder()`.

A folder that cannot be read, or written, costs time, not results.
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

MAGIC = b"\x7fELF"  # of machine code


def module(source: str, architecture: str, device: Device) -> Any:
    """The kernels of a source, to be loaded on the device. Raises CuPy's CompileException with the compiler's words."""
    version = device.xp.cuda.nvrtc.getVersion()
    name = f"{hashlib.sha256(f'{version} {architecture} {source}'.encode()).hexdigest()}.cubin"
    path = _kept(name) or _written(name, compiled(source, architecture, device))
    return device.xp.RawModule(path=str(path))


def compiled(source: str, architecture: str, device: Device) -> bytes:
    """The machine code of a source."""
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


def _kept(name: str) -> Path | None:
    """The file, if it is there and whole at its beginning."""
    with suppress(OSError, RuntimeError):  # RuntimeError: the user has no home folder
        path = _folder() / name
        with path.open("rb") as file:
            return path if file.read(len(MAGIC)) == MAGIC else None
    return None


def _written(name: str, code: bytes) -> Path:
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
    """This process's, where there is no other."""
    folder = tempfile.mkdtemp(prefix="tinyfft-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
