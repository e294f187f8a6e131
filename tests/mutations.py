"""Damaged files: a valid file with some bytes changed, moved, removed or inserted."""

import os
import random
import signal
from contextlib import contextmanager

EACH = max(1, int(os.environ.get("TINYFFT_FUZZ", "50")) // 4)
"""Number of damaged files of each of the four kinds."""

SECONDS = 20  # limit for one file; the slowest takes 1 s


@contextmanager
def in_time():
    """Raise TimeoutError if the block takes longer than SECONDS."""

    def stop(*_):
        raise TimeoutError(f"no answer within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def mutated(data, seed, times=3):
    """Return `data` with one to `times` random changes, determined by the seed; never `data` itself."""
    rng = random.Random(seed)
    result = data
    while result == data:
        result = bytearray(data)
        for _ in range(rng.randint(1, times)):
            rng.choice(CHANGES)(result, rng)
        result = bytes(result)
    return result


def _flip(data, rng):
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _overwrite(data, rng):
    start = rng.randrange(len(data) + 1)
    length = rng.choice((1, 4, 32))
    data[start : start + length] = rng.randbytes(min(length, len(data) - start))


def _cut(data, rng):
    del data[rng.randrange(len(data) + 1) :]


def _remove(data, rng):
    start = rng.randrange(len(data) + 1)
    del data[start : start + rng.choice((1, 2, 16, 512))]


def _insert(data, rng):
    start = rng.randrange(len(data) + 1)
    data[start:start] = rng.choice((b"\0", b"\xff" * 8, b"\n", b"9" * 20, rng.randbytes(16)))


def _repeat(data, rng):
    start = rng.randrange(len(data) + 1)
    data[start:start] = data[start : start + rng.choice((1, 8, 512))]


def _digit(data, rng):
    """Replace a digit of a text by another number, possibly much too large."""
    places = [i for i, byte in enumerate(data[:4096]) if 48 <= byte <= 57]
    if places:
        i = rng.choice(places)
        data[i : i + 1] = rng.choice((b"0", b"9", b"-1", b"1e99", b"99999999999", b"nan"))


CHANGES = (_flip, _flip, _overwrite, _cut, _remove, _insert, _repeat, _digit)
