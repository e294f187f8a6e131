"""The GPU's transforms by its library, cupy.fft, with the interface of matrix_dft.py."""

from tinyfft.backend import Array
from tinyfft.fourier.arena import Arena


def forward(lines: Array, lengths: tuple[int, int], out: Array, conjugate: bool, arena: Arena) -> None:
    """Real lines (n, B, h, w), zeros behind them up to (Ny, Nx) -> out (Ny // 2 + 1, Nx, n, B), perhaps conjugated."""
    xp = arena.device.xp
    hat = xp.fft.fft(xp.fft.rfft(lines, n=lengths[0], axis=2), n=lengths[1], axis=3)
    (xp.conjugate if conjugate else xp.positive)(hat.transpose(2, 3, 0, 1), out=out)


def inverse(
    hat: Array, lengths: tuple[int, int], shape: tuple[int, int], shifts: tuple[int, int], conjugate: bool, arena: Arena
) -> Array:
    """hat (Ny // 2 + 1, Nx, n, B) -> real (n, B, *shape): `shape` points from `shifts` on around each circle."""
    xp = arena.device.xp
    hat = xp.ascontiguousarray(hat.transpose(2, 3, 0, 1))
    if conjugate:
        xp.conjugate(hat, out=hat)
    values = xp.fft.irfft(xp.fft.ifft(hat, axis=3), n=lengths[0], axis=2)
    for axis, (N, points, shift) in enumerate(zip(lengths, shape, shifts, strict=True), start=2):
        values = xp.take(values, (xp.arange(points) + shift) % N, axis=axis)
    return values
