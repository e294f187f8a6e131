"""A disk without space, for as long as a with block lasts."""

import resource
from contextlib import contextmanager


@contextmanager
def full_disk(left=1000):
    """No file of this process can grow beyond `left` bytes. Nothing may be printed inside: output may be a file too."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
