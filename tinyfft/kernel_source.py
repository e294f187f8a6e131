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
    return _text(f"{stem}.cu", set())


def _text(name: str, included: set[str]) -> str:
    if name in included:
        return ""
    included.add(name)
    text = (kernel_directory() / name).read_text(encoding="utf-8")
    return re.sub(r'#include "(\w+\.cuh)"\n', lambda include: _text(include.group(1), included), text)
