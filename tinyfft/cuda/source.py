"""CUDA sources: read from the installed package or the bare checkout, with the constants they are compiled with."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_PACKAGE = Path(__file__).resolve().parent.parent
_INCLUDE = re.compile(r'#include "(\w+\.cuh)"\n')


REAL = {4: "float", 8: "double"}
"""The C type of real numbers, by their bytes."""


class Source(NamedTuple):
    """A kernel's source: the types and constants it is compiled with, then kernels/.../`stem`.cu."""

    stem: str
    head: str
    architecture: str = ""  # such as "sm_90a"; empty: the device's

    def text(self) -> str:
        return f"{self.head}\n{kernel_source(self.stem)}"


def make_source(
    stem: str, types: Mapping[str, str], macros: Mapping[str, bool] | None = None, **constants: int
) -> Source:
    """Return the source of kernels/.../`stem`.cu with C types, macros for its #if, and constants, by their names."""
    lines = [f"#define {name} {int(value)}" for name, value in (macros or {}).items()]
    lines += [f"typedef {kind} {name};" for name, kind in types.items()]
    lines += [f"constexpr {type(value).__name__} {name} = {str(value).lower()};" for name, value in constants.items()]
    return Source(stem, "\n".join(lines))


def kernel_directory() -> Path:
    """Return the folder of the CUDA sources. Raises FileNotFoundError, naming both places, if there is none."""
    candidates = (_PACKAGE / "kernels", _PACKAGE.parent / "kernels")
    for folder in candidates:
        if any(folder.rglob("*.cu")):
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
