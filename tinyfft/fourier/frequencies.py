"""Which frequencies of a real plane are stored, and in which order.

X[Ny - ky, Nx - kx] = conj X[ky, kx], so one axis can be halved: a GPU stores rows ky <= Ny / 2, the CPU, where x is the
halved axis, columns kx <= Nx / 2. A row that is its own mirror image (ky = 0 and, for even Ny, ky = Ny / 2) repeats
itself, so only kx <= Nx / 2 is stored; likewise such a column. The stored frequencies are independent:

    Q = (Ny Nx + c) / 2        c = (2 - Ny mod 2) (2 - Nx mod 2)

They lie in the order of ky, then kx, on the CPU of kx, then ky. The kernels state the same in transform.cuh.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tinyfft.backend import Array

KARATSUBA_TERMS = 3
"""The real numbers that stand for a complex one: re, im, re + im."""


def independent(Ny: int, Nx: int) -> int:
    """Return Q, the number of stored frequencies of an Ny x Nx plane."""
    return (Ny * Nx + (2 - Ny % 2) * (2 - Nx % 2)) // 2


def stored_before(row: int, halved: int, other: int) -> int:
    """Return how many frequencies are stored before this row of the half spectrum, given the axes' lengths."""
    return sum(part.kept * max(0, min(row, part.halved.stop) - part.halved.start) for part in rows(halved, other))


class Rows(NamedTuple):
    """Rows of the half spectrum with equally many stored frequencies: `kept` a row, as the frequencies `stored`."""

    halved: slice  # which rows: frequencies of the halved axis
    kept: int
    stored: slice
    mirrored: bool


def rows(halved: int, other: int) -> list[Rows]:
    """Return all rows of the half spectrum in order, given the lengths of the halved axis and of the other one."""
    half = other // 2 + 1
    inner = (halved - 1) // 2
    end = half + inner * other
    found = [Rows(slice(0, 1), half, slice(0, half), True), Rows(slice(1, 1 + inner), other, slice(half, end), False)]
    if halved % 2 == 0:
        found.append(Rows(slice(halved // 2, halved // 2 + 1), half, slice(end, end + half), True))
    return [part for part in found if part.halved.start < part.halved.stop]


class Frequencies(NamedTuple):
    """The Q frequencies that are computed: columns `kx` of the half spectrum of an Ny x Nx plane."""

    Ny: int
    Nx: int
    kx: range

    @property
    def Q(self) -> int:
        first, last = (stored_before(kx, self.Nx, self.Ny) for kx in (self.kx.start, self.kx.stop))
        return last - first

    def columns(self, hat: Array) -> Iterator[tuple[slice, int, Array]]:
        """Yield (which of kx, stored ky, view (kx, 3 ky, n)) for the parts of hat (3 Q, n) with equally many ky."""
        top = 0
        for part in rows(self.Nx, self.Ny):
            first, last = max(part.halved.start, self.kx.start), min(part.halved.stop, self.kx.stop)
            if first < last:
                size = KARATSUBA_TERMS * part.kept * (last - first)
                view = hat[top : top + size].reshape(last - first, KARATSUBA_TERMS * part.kept, hat.shape[1])
                yield slice(first - self.kx.start, last - self.kx.start), part.kept, view
                top += size
