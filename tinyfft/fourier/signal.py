"""signal: half spectra -> real planes, cropped to what is wanted, with the bias on the way out.

Computes  planes[a, b] = (inverse DFT of hat[:, (a, tile), (phase, b)])[wanted rows, wanted columns] + bias[b]
          with `scale`, planes += scale * that instead: gradients add up, and so do overlapping tiles
Input     hat     complex  (Q, A T, P B), frequency first; `conjugate` if it holds the conjugate spectra
Output    planes  real     (A, B, h, w); rows and columns outside the plan's windows are left alone
Tiles are added in one fixed order, so that the same input gives the same bits.
The transform is the library's (numpy.fft, cupy.fft), over a cacheful of planes at a time.
"""

from itertools import product as pairs

from tinyfft.backend import Array
from tinyfft.fourier.arena import Arena
from tinyfft.fourier.plan import Plan
from tinyfft.fourier.spectrum import check_arrays


def signal(
    hat: Array,
    plan: Plan,
    name: str,
    planes: Array,
    arena: Arena,
    *,
    bias: Array | None = None,
    scale: float | None = None,
    conjugate: bool = False,
) -> None:
    """Write (`scale` None) or add the planes whose half spectra are `hat`, the plan's "x", "w" or "y"."""
    check_arrays(planes, plan, name, hat)
    xp = arena.device.xp
    A, B = planes.shape[:2]
    (Ny, Nx), (rows, columns) = plan.lengths, plan.windows(name)
    at_once = min(A, plan.planes_at_once(B))
    hat = hat.reshape(Ny // 2 + 1, Nx, A, rows.tiles, columns.tiles, rows.phases, columns.phases, B)
    load = xp.conjugate if conjugate else xp.positive
    with arena.frame(plan.scratch_bytes(B)):
        lines = arena.take((at_once, B, Ny // 2 + 1, Nx), hat.dtype)
        for ty, tx, ry, rx in pairs(*map(range, hat.shape[3:7])):
            cuts = list(pairs(rows.cuts(ty, ry, rows.shift, Ny), columns.cuts(tx, rx, columns.shift, Nx)))
            for first in range(0, A, at_once):
                block = planes[first : first + at_once]
                part = lines[: len(block)]
                load(hat[:, :, first : first + at_once, ty, tx, ry, rx].transpose(2, 3, 0, 1), out=part)
                values = xp.fft.irfft(xp.fft.ifft(part, axis=3), n=Ny, axis=2)
                if scale is not None and scale != 1:
                    values *= scale
                for (plane_rows, line_rows), (plane_columns, line_columns) in cuts:
                    target = block[:, :, plane_rows, plane_columns]
                    wanted = values[:, :, line_rows, line_columns]
                    if scale is not None:
                        target += wanted
                    elif bias is not None:
                        xp.add(wanted, bias[:, None, None], out=target)
                    else:
                        target[...] = wanted
