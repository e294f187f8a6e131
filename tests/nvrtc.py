"""NVRTC from its wheel (nvidia-cuda-nvrtc-cu12): compiles CUDA C++ for any architecture, without a GPU."""

import ctypes
import importlib.util
from functools import cache
from pathlib import Path


@cache
def load():
    """Return the library, or None if the wheel is not installed."""
    spec = importlib.util.find_spec("nvidia.cuda_nvrtc") if importlib.util.find_spec("nvidia") else None
    for folder in spec.submodule_search_locations if spec else ():
        for file in sorted(Path(folder).glob("**/libnvrtc.so.*")) + sorted(Path(folder).glob("**/nvrtc64_*.dll")):
            return ctypes.CDLL(str(file))
    return None


def compile_for(source, architecture):
    """Return the cubin of `source` for an architecture such as "sm_90". An AssertionError has the compiler's log."""
    nvrtc, program = load(), ctypes.c_void_p()
    options = [f"--gpu-architecture={architecture}".encode(), b"--std=c++17"]
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None) == 0
    try:
        failed = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        assert not failed, _text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program).decode()
        return _text(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, program)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _text(get_size, get, program):
    size = ctypes.c_size_t()
    assert get_size(program, ctypes.byref(size)) == 0
    buffer = ctypes.create_string_buffer(size.value)
    assert get(program, buffer) == 0
    return buffer.raw
