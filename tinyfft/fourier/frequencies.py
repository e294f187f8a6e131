"""Which frequencies of a real plane are stored, and in which order.

X[Ny - ky, Nx - kx] = conj X[ky, kx], so rows ky <= Ny / 2 say everything. Rows that are their own mirror image (ky = 0
and, for even Ny, ky = Ny / 2) say half of it twice: of these only kx <= Nx / 2 is kept. What is left is independent:

    Q = (Ny Nx + c) / 2        c = (2 - Ny mod 2) (2 - Nx mod 2)

They lie in the order of ky, then kx. The kernels state the same in kernels/fourier.cuh.
"""

from typing import NamedTuple


def independent(Ny: int, Nx: int) -> int:
    """Q, the number of stored frequencies of an Ny x Nx plane."""
    return (Ny * Nx + (2 - Ny % 2) * (2 - Nx % 2)) // 2


class Rows(NamedTuple):
    """Rows of the half spectrum that are stored alike: kx < `kept` of each, as the frequencies `stored`."""

    ky: slice
    kept: int
    stored: slice
    mirrored: bool


def rows(Ny: int, Nx: int) -> list[Rows]:
    """All rows of the half spectrum, in their order."""
    half = Nx // 2 + 1
    inner = (Ny - 1) // 2
    end = half + inner * Nx
    found = [Rows(slice(0, 1), half, slice(0, half), True), Rows(slice(1, 1 + inner), Nx, slice(half, end), False)]
    if Ny % 2 == 0:
        found.append(Rows(slice(Ny // 2, Ny // 2 + 1), half, slice(end, end + half), True))
    return [part for part in found if part.ky.start < part.ky.stop]
