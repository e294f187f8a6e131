"""Write the files of the tests of datasets/: folders of images, files of decoded images, pickles like Python 2's."""

import io
import os
import struct
import tarfile
import zlib

import numpy as np
from PIL import Image

from datasets.image_file import ImageFile
from datasets.statistics import image_sums


def encoded(pixels, ending="png", mode="RGB"):
    """Return the bytes of an image file with the given pixels, (H, W, 3) uint8."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "PNG" if ending == "png" else "JPEG")
    return buffer.getvalue()


def random_pixels(rng, height=5, width=4):
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_folder(root, rng, classes=("cat", "dog"), train=3, test=2, ending="png"):
    """Write root/{train,test}/CLASS/NNNN.ENDING; return {"train": [(label, pixels), ...], "test": ...} by path."""
    written = {"train": [], "test": []}
    for split, count in (("train", train), ("test", test)):
        for label, name in enumerate(classes):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = random_pixels(rng)
                (folder / f"{index:04}.{ending}").write_bytes(encoded(pixels, ending))
                written[split].append((label, pixels))
    return written


def image_file(path, images, offset=0):
    """Write an array of images, `offset` bytes into a file; return it as an ImageFile."""
    path.write_bytes(b"x" * offset + images.tobytes() + b"behind them")
    checksums = np.array([zlib.crc32(image) for image in images], np.uint32)
    return ImageFile(os.open(path, os.O_RDONLY), path, offset, images.shape, checksums, image_sums(images))


def python2_pickle(value):
    """Pickle `value` like Python 2's cPickle in protocol 2, bytes and uint8 arrays by the names of that time."""
    return b"\x80\x02" + _emit(value) + b"."


def global_(module, name):
    """Return the opcode that names a class or function."""
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def _emit(value):
    if isinstance(value, bytes):
        return (b"U" + bytes([len(value)]) if len(value) < 256 else b"T" + struct.pack("<i", len(value))) + value
    if isinstance(value, str):
        return b"X" + struct.pack("<i", len(value.encode())) + value.encode()
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_emit, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(_emit, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(_emit(item) for pair in value.items() for item in pair) + b"u"
    code = value.dtype.str[1:].encode()
    dtype = (
        global_("numpy", "dtype") + _emit((code, 0, 1)) + b"R" + _emit((3, b"|", None, None, None, -1, -1, 0)) + b"b"
    )
    made = global_("numpy.core.multiarray", "_reconstruct")
    made += b"(" + global_("numpy", "ndarray") + _emit((0,)) + _emit(b"b") + b"tR"
    state = b"(" + _emit(1) + _emit(value.shape) + dtype + _emit(False) + _emit(value.tobytes()) + b"t"
    return made + state + b"b"


NAMES = [b"airplane", b"automobile", b"bird", b"cat", b"deer", b"dog", b"frog", b"horse", b"ship", b"truck"]


def batch_files(rng, count=2):
    """Return {name: contents} of the official files, with `count` images a batch, and {name: (data, labels)}."""
    files = {"batches.meta": {b"num_cases_per_batch": count, b"label_names": NAMES, b"num_vis": 3072}}
    rows = {}
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        data = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
        labels = rng.integers(0, 10, count).tolist()
        rows[name] = data, labels
        filenames = [b"%d.png" % i for i in range(count)]
        files[name] = {b"batch_label": name.encode(), b"labels": labels, b"data": data, b"filenames": filenames}
    return {name: python2_pickle(contents) for name, contents in files.items()}, rows


def write_files(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, contents in files.items():
        (folder / name).write_bytes(contents)


def write_tar(path, members, mode="w:gz"):
    """Write an archive of `members`: {name: contents, or tarfile's type of a link, folder or device}."""
    with tarfile.open(path, mode) as tar:
        for name, contents in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(contents, bytes) and len(contents) > 1:
                member.size = len(contents)
                tar.addfile(member, io.BytesIO(contents))
            else:
                member.type, member.linkname = contents, "/etc/hostname"
                tar.addfile(member)
