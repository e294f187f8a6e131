"""Where the CUDA sources lie: in the installed package, or beside it in a bare checkout."""

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
    """The text of `stem`.cu."""
    return (kernel_directory() / f"{stem}.cu").read_text(encoding="utf-8")
