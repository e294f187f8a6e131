"""Which frequencies are stored: each class {(ky, kx), its mirror image} of the plane exactly once."""

import pytest

from tinyfft.fourier.frequencies import independent, rows


@pytest.mark.parametrize(("Ny", "Nx"), [(1, 1), (1, 4), (2, 2), (2, 5), (3, 3), (6, 4), (7, 8), (9, 5), (36, 36)])
def test_every_frequency_or_its_mirror_image_is_stored_once(Ny, Nx):
    stored = []
    for part in rows(Ny, Nx):
        found = [(ky, kx) for ky in range(part.halved.start, part.halved.stop) for kx in range(part.kept)]
        assert part.stored == slice(len(stored), len(stored) + len(found))
        assert all(part.mirrored == ((Ny - ky) % Ny == ky) for ky, _ in found)
        stored += found
    assert stored == sorted(stored)
    assert len(stored) == independent(Ny, Nx)
    classes = [frozenset([(ky, kx), (-ky % Ny, -kx % Nx)]) for ky, kx in stored]
    assert len(set(classes)) == len(stored)
    assert set().union(*classes) == {(ky, kx) for ky in range(Ny) for kx in range(Nx)}


def test_counts_by_hand():
    assert independent(36, 36) == 650
    assert independent(18, 18) == 164
    assert independent(35, 35) == 613
