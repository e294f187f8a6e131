"""Makes the archive of datasets/sample.py from a folder with all pictures of CIFAR-10.

    python -m datasets.make_sample PICTURES [--output FILE] [--train N] [--test N]

PICTURES has train/CLASS/NNNN.jpg and test/CLASS/NNNN.jpg; the first N of each class, by name, are taken, their bytes
unchanged. Order, times and owners in the archive are fixed: the same pictures give the same archive.
"""

import argparse
import io
import os
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from datasets.dataset import DataError
from datasets.listing import PARTS, list_folder
from datasets.sample import ARCHIVE


def make_sample(pictures: str | Path, output: str | Path, train: int = 1000, test: int = 200) -> None:
    """Write the archive `output` from the folder `pictures`. DataError when a class has too few of them."""
    listing = list_folder(pictures)
    if not listing.pictures["test"]:
        raise DataError(f"{pictures} has no folder test, expected train/CLASS and test/CLASS")
    chosen = []
    for part, count in zip(PARTS, (train, test), strict=True):
        for name, group in groupby(listing.pictures[part], key=lambda picture: picture[1]):
            paths = [path for path, _ in group]
            if len(paths) < count:
                raise DataError(f"{Path(pictures) / part / name} has {len(paths)} pictures, expected at least {count}")
            chosen += [(f"{part}/{name}/{index:04}.jpg", path) for index, path in enumerate(paths[:count])]
    _write(sorted(chosen), Path(output))


def _write(chosen: Iterable[tuple[str, str]], output: Path) -> None:
    # Written under another name first: a run that is stopped leaves no half archive behind.
    handle, temporary = tempfile.mkstemp(prefix=output.name, suffix=".tmp", dir=output.parent)
    try:
        with open(handle, "wb") as file, tarfile.open(fileobj=file, mode="w:xz", preset=9) as tar:
            for name, path in chosen:
                contents = Path(path).read_bytes()
                member = tarfile.TarInfo(name)  # owner 0, time 0, no names: what the machine says stays out
                member.size = len(contents)
                tar.addfile(member, io.BytesIO(contents))
        os.chmod(temporary, 0o644)
        os.replace(temporary, output)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns the exit status: 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m datasets.make_sample", description="Make the bundled sample.")
    parser.add_argument("pictures", metavar="PICTURES", help="folder with train/CLASS/*.jpg and test/CLASS/*.jpg")
    parser.add_argument("--output", metavar="FILE", default=ARCHIVE, help="the archive to write (default: %(default)s)")
    parser.add_argument("--train", metavar="N", type=int, default=1000, help="training pictures a class (%(default)s)")
    parser.add_argument("--test", metavar="N", type=int, default=200, help="test pictures a class (%(default)s)")
    options = parser.parse_args(arguments)
    if min(options.train, options.test) < 1:
        parser.error("--train and --test must be at least 1")
    try:
        make_sample(options.pictures, options.output, options.train, options.test)
    except (DataError, OSError) as error:
        print(f"make_sample: {error}", file=sys.stderr)
        return 1
    print(f"{options.output}: {os.path.getsize(options.output):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
