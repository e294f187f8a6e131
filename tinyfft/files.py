"""Replace files atomically: a reader finds the old or the new file, never a part. And the folder of the caches.

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
    """Yield a temporary path in the same folder. It is renamed to `path` if the block ends without an error.

    Every OSError names `path`, also the error of a full disk. After an error the old file is unchanged.
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
    """Replace a file by a text in UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], values: Any) -> None:
    """Replace a file by values in indented JSON. Raises ValueError for inf and nan."""
    write_text(path, json.dumps(values, indent=2, allow_nan=False) + "\n")


def cache_folder() -> Path:
    """Return the folder for files that can be recreated: TINYFFT_CACHE, XDG_CACHE_HOME/tinyfft or ~/.cache/tinyfft.

    Raises RuntimeError if neither variable is set and the user has no home folder.
    """
    if chosen := os.environ.get("TINYFFT_CACHE"):
        return Path(chosen)
    # The XDG specification tells programs to ignore a relative path.
    if (xdg := os.environ.get("XDG_CACHE_HOME")) and os.path.isabs(xdg):
        return Path(xdg) / "tinyfft"
    return Path.home() / ".cache" / "tinyfft"
