"""Make the archive of datasets/sample.py from a folder with all images of CIFAR-10.

    python -m datasets.make_sample IMAGES [--output FILE] [--train N] [--test N]

IMAGES has train/CLASS/NNNN.jpg and test/CLASS/NNNN.jpg. The archive gets the first N files of each class, by name,
unchanged. Order, times and owners in the archive are fixed: the same images give the same archive.
"""

import argparse
import io
import os
import sys
import tarfile
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from datasets.dataset import DataError
from datasets.listing import SPLITS, list_folder
from datasets.sample import ARCHIVE
from tinyfft.files import replacing


def make_sample(directory: str | Path, output: str | Path, train: int = 1000, test: int = 200) -> None:
    """Write the archive `output`. Raises DataError if a class has too few images.

    directory  the folder of images
    output     the archive to write
    train      training images of each class
    test       test images of each class
    """
    listing = list_folder(directory)
    if not listing.images["test"]:
        raise DataError(f"{directory} has no folder test, expected train/CLASS and test/CLASS")
    members = []
    for split, count in zip(SPLITS, (train, test), strict=True):
        for name, group in groupby(listing.images[split], key=lambda image: image[1]):
            paths = [path for path, _ in group]
            if len(paths) < count:
                raise DataError(f"{Path(directory) / split / name} has {len(paths)} images, expected at least {count}")
            members += [
                (f"{split}/{name}/{index:04}.jpg", Path(path).read_bytes()) for index, path in enumerate(paths[:count])
            ]
    _write(sorted(members), Path(output))


def _write(members: Iterable[tuple[str, bytes]], output: Path) -> None:
    with replacing(output) as temporary, tarfile.open(temporary, "w:xz", preset=9) as tar:
        for name, contents in members:
            member = tarfile.TarInfo(name)  # owner 0, time 0, no names: nothing of this machine
            member.size = len(contents)
            tar.addfile(member, io.BytesIO(contents))


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m datasets.make_sample", description="Make the bundled sample.")
    parser.add_argument("images", metavar="IMAGES", help="folder with train/CLASS/*.jpg and test/CLASS/*.jpg")
    parser.add_argument("--output", metavar="FILE", default=ARCHIVE, help="the archive to write (default: %(default)s)")
    parser.add_argument("--train", metavar="N", type=int, default=1000, help="training images a class (%(default)s)")
    parser.add_argument("--test", metavar="N", type=int, default=200, help="test images a class (%(default)s)")
    options = parser.parse_args(arguments)
    if min(options.train, options.test) < 1:
        parser.error("--train and --test must be at least 1")
    try:
        make_sample(options.images, options.output, options.train, options.test)
    except (DataError, OSError) as error:
        print(f"make_sample: {error}", file=sys.stderr)
        return 1
    print(f"{options.output}: {os.path.getsize(options.output):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
