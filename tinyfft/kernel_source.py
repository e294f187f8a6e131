"""Where the CUDA sources lie: in the installed package, or beside it in a bare checkout."""

import re
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def kernel_directory() -> Path:
    """The folder that holds the .cu files. Raises FileNotFoundError, naming both places, if there is none."""
    candidates = (_PACKAGE / "kernels", _PACKAGE.parent / "kernels")
    for folder in candidates:
        if any(folder.glob("*.cu")):
            return folder
    raise FileNotFoundError(f"tinyfft's CUDA sources are neither in {candidates[0]} nor in {candidates[1]}")


def kernel_source(stem: str) -> str:
    """The text of `stem`.cu, our headers in place of their includes: one file, as a compiler's cache needs."""
    return with_headers((kernel_directory() / f"{stem}.cu").read_text(encoding="utf-8"))


def with_headers(text: str) -> str:
    """CUDA C++ with our headers in place of their includes, each where it is first asked for."""
    included: set[str] = set()

    def replace(include: re.Match) -> str:
        name = include.group(1)
        if name in included:
            return ""
        included.add(name)
        return _INCLUDE.sub(replace, (kernel_directory() / name).read_text(encoding="utf-8"))

    return _INCLUDE.sub(replace, text)


_INCLUDE = re.compile(r'#include "(\w+\.cuh)"\n')
