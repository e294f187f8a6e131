"""Damaged and hostile data: each gives a clear error of one line or a correct result, in time, and runs no code.

TINYFFT_FUZZ is the number of files (50), a quarter of each kind: two here, two in tests/commands/test_fuzzed_files.py.
Each file depends only on its number.
"""

import numpy as np
import pytest
from data_files import batch_files, encoded, random_pixels, write_tar
from mutations import EACH, in_time, mutated

from datasets import DataError
from datasets.cifar10 import load_archive
from datasets.decoder import Decoder
from datasets.sample import load_sample


def archives(rng):
    """Return archives like the sample, like CIFAR-10's, and like CIFAR-10's with a pickle that would run a command."""
    names = [f"{split}/{name}/{i:04}.jpg" for split in ("train", "test") for name in "ab" for i in range(2)]
    images = {name: encoded(random_pixels(rng), "jpg") for name in names}
    files, _ = batch_files(rng)
    batches = {f"cifar-10-batches-py/{name}": data for name, data in files.items()}
    hostile = batches | {"cifar-10-batches-py/data_batch_3": b"cos\nsystem\n(S'touch ran'\ntR."}
    return [(load_sample_from, images), (load_official_from, batches), (load_official_from, hostile)]


def outcome(load):
    """Return (the result, None) or (None, the text of the DataError)."""
    with in_time():
        try:
            return load(), None
        except DataError as error:
            return None, str(error)


def load_official_from(path):
    return load_archive(path).dataset()


def load_sample_from(path):
    return load_sample(progress=False, archive=path)


@pytest.mark.parametrize("number", range(EACH))
def test_archives(tmp_path, monkeypatch, number):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(number)
    load, members = archives(rng)[number % 3]
    path = tmp_path / "archive.tar"
    write_tar(path, members)
    path.write_bytes(mutated(path.read_bytes(), number))
    data, error = outcome(lambda: load(path))
    if error is None:
        assert data.train_images.dtype == np.uint8
        assert len(data.train_labels) == len(data.train_images) > 0
    else:
        assert "\n" not in error
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("number", range(EACH))
def test_images(number):
    rng = np.random.default_rng(number)
    pixels = random_pixels(rng, 16, 12)
    ending = ("png", "jpg")[number % 2]
    data = mutated(encoded(pixels, ending), number)
    images, error = outcome(lambda: Decoder(["mine"], lambda _: data, progress=False).all())
    if error is None:
        assert images.dtype == np.uint8
        assert images.shape[:2] == (1, 3)
    else:
        assert "mine" in error
        assert "\n" not in error
