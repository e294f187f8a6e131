"""Read an archive file: its checksum, and its members as bytes.

Nothing is unpacked to disk, so that no name in an archive can do harm.
Raises DataError when the archive is missing, damaged or not a tar archive.
"""

import hashlib
import lzma
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

from datasets.dataset import DataError


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_members(path: str | Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Return {name: contents} of the regular files of the archive whose name is `wanted`, in the archive's order.

    Links, devices and folders are ignored, whatever their names.
    """
    members = {}
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                if member.isreg() and wanted(member.name):
                    with tar.extractfile(member) as file:
                        members[member.name] = file.read()
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError) as error:
        cause = str(error).partition("\n")[0]  # tarfile adds a line for each compression that it has tried
        raise DataError(f"{path} cannot be read: {cause}") from error
    return members
