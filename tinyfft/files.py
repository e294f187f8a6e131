"""Files that are either the old ones or the new ones, never half of one; and where those lie that can be made again.

with replacing(path) as temporary:
    temporary.write_bytes(...)
write_text(path, text)
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A hidden name in the same folder, to be written; it takes the name `path` when the block ends without an error.

    Raises OSError, naming `path` (one from a full disk names none); then the old file is still there.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Replace a file by this text in UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], values: Any) -> None:
    """Replace a file by these values, indented. Raises ValueError for numbers that JSON lacks."""
    write_text(path, json.dumps(values, indent=2, allow_nan=False) + "\n")


def cache_folder() -> Path:
    """Where what can be made again is kept: TINYFFT_CACHE, else tinyfft in XDG_CACHE_HOME, else ~/.cache/tinyfft.

    Raises RuntimeError when neither is set and the user has no home folder.
    """
    if chosen := os.environ.get("TINYFFT_CACHE"):
        return Path(chosen)
    # The XDG specification tells programs to ignore a relative path.
    if (xdg := os.environ.get("XDG_CACHE_HOME")) and os.path.isabs(xdg):
        return Path(xdg) / "tinyfft"
    return Path.home() / ".cache" / "tinyfft"
