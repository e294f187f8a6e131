"""Read the CUDA sources, which lie in the installed package, or beside it in a bare checkout."""

import re
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INCLUDE = re.compile(r'#include "(\w+\.cuh)"\n')


def kernel_directory() -> Path:
    """Return the folder of the CUDA sources. Raises FileNotFoundError, naming both places, if there is none."""
    candidates = (_PACKAGE / "kernels", _PACKAGE.parent / "kernels")
    for folder in candidates:
        if any(folder.glob("*.cu")):
            return folder
    raise FileNotFoundError(f"tinyfft's CUDA sources are neither in {candidates[0]} nor in {candidates[1]}")


def kernel_source(stem: str) -> str:
    """Return the text of `stem`.cu with the text of our headers: the compiler's cache needs a single file."""
    return with_headers(_read(f"{stem}.cu"))


def with_headers(text: str) -> str:
    """Return CUDA C++ with the text of our headers at their first include, and nothing at later ones."""
    included: set[str] = set()

    def replace(include: re.Match) -> str:
        name = include.group(1)
        if name in included:
            return ""
        included.add(name)
        return _INCLUDE.sub(replace, _read(name))

    return _INCLUDE.sub(replace, text)


def _read(name: str) -> str:
    """Return the text of the file with this name, in whichever folder of the sources it lies."""
    (path,) = kernel_directory().rglob(name)
    return path.read_text(encoding="utf-8")
