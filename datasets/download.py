"""Download a file: an interrupted download is resumed, and the file appears only when its checksum is right.

The bytes go to `path` + ".part". A later call requests only the remaining bytes (HTTP Range); if the server sends the
whole file again, the download starts again. The part is renamed to `path` when its SHA-256 is the expected one.
Raises DataError when the download fails (the part is kept) or the checksum is wrong (the part is removed).
"""

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from datasets.archive import file_sha256
from datasets.dataset import DataError

TIMEOUT_SECONDS = 10  # without a byte; without a network the error must come soon
_CHUNK_BYTES = 1 << 18


def download(url: str, path: str | Path, sha256: str, progress: bool = True) -> None:
    """Download `url` to `path`, unless `path` has the right checksum already.

    sha256    the expected SHA-256, as 64 hexadecimal digits
    progress  whether to show a progress bar
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        if path.is_file() and file_sha256(path) == sha256:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (part.is_file() and file_sha256(part) == sha256):
            _fetch(url, part, progress)
        found = file_sha256(part)
        if found != sha256:
            part.unlink()
            raise DataError(f"{url}: the download has the SHA-256 {found}, expected {sha256}; it was removed")
        os.replace(part, path)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(f"{url} could not be downloaded to {path}: {reason}") from error


def _fetch(url: str, part: Path, progress: bool) -> None:
    have = part.stat().st_size if part.is_file() else 0
    try:
        response = _request(url, have)
    except urllib.error.HTTPError as error:
        error.close()
        if not (have and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
            raise
        have = 0  # the part is longer than the file: it belongs to another version of the file
        response = _request(url, 0)
    with response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            have = 0  # the server sends the whole file
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() else None
        with open(part, "ab" if have else "wb") as file, _bar(part, have, total, progress) as bar:
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))
            size = file.tell()
    # Read in chunks, http.client ends a body that was cut off without an error.
    if total is not None and size < total:
        raise http.client.HTTPException(f"the connection ended after {size} of {total} bytes; they are kept")


def _request(url: str, have: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": "tinyfft"} | ({"Range": f"bytes={have}-"} if have else {})
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS)


def _bar(part: Path, have: int, total: int | None, progress: bool) -> tqdm:
    return tqdm(desc=part.stem, initial=have, total=total, unit="B", unit_scale=True, disable=not progress)
