"""Launch spectrum.cu and signal.cu on a GPU; what does not depend on the arrays is prepared once for each size."""

from collections.abc import Callable
from functools import lru_cache

from tinyfft.backend import Array, Device
from tinyfft.cuda import launch
from tinyfft.cuda.source import Source
from tinyfft.fourier.gpu.kernel import FourierKernel, Layout, grid, launches, specialise
from tinyfft.fourier.plan import Plan


def run(stem: str, plan: Plan, name: str, planes: Array, device: Device, arguments: tuple, **options: bool) -> None:
    """Launch `stem` over all planes on the current stream.

    arguments  the kernel's arguments except its layout
    options    keywords of `specialise`
    Planes may be some maps of each sample, planes = array[:, 3:7]; all arrays of their shape must have their strides.
    Raises ValueError for any other array that is not contiguous, since a kernel knows no strides.
    """
    aligned = True  # so that a kernel may read and write pairs of numbers
    for array in arguments:
        if not isinstance(array, device.xp.ndarray):
            continue
        if array.shape == planes.shape and array.strides == planes.strides:
            aligned = aligned and array.data.ptr % (2 * plan.itemsize) == 0
        elif array.shape == planes.shape or not array.flags.c_contiguous:
            raise ValueError(
                f"{stem}: an array of shape {array.shape} has strides {array.strides}, expected C order, or for planes "
                f"{planes.strides}"
            )
    pitch = _planes_between_samples(stem, planes)
    for queue in _prepared(stem, plan, name, planes.shape, pitch, device, aligned=aligned, **options):
        queue(arguments)


def _planes_between_samples(stem: str, planes: Array) -> int:
    _, B, h, w = planes.shape
    if planes.flags.c_contiguous:
        return B
    pitch, rest = divmod(planes.strides[0], h * w * planes.itemsize)
    if rest or not planes[0].flags.c_contiguous:
        raise ValueError(
            f"{stem}: planes of shape {planes.shape} have strides {planes.strides}, expected each sample in C order"
        )
    return pitch


@lru_cache(maxsize=1024)
def _prepared(
    stem: str, plan: Plan, name: str, shape: tuple, pitch: int, device: Device, **options: bool
) -> list[Callable[[tuple], None]]:
    """Return the launches of one transform, prepared for all arrays of this shape."""
    kernel = specialise(stem, plan, name, shape[2:], shared_limit(device), **options)
    apart = options.get("accumulate", False)
    layouts = launches(shape, plan.windows(name), apart, pitch, plan.padded_shape(name))
    return [launcher(kernel, layout, device) for layout in layouts]


def source(stem: str, plan: Plan, name: str, device: Device, **options: bool) -> Source:
    """Return the source of the kernel that `run` launches for whole, aligned planes."""
    return specialise(stem, plan, name, plan.plane_shape(name), shared_limit(device), **options).source()


def launcher(kernel: FourierKernel, layout: Layout, device: Device) -> Callable[[tuple], None]:
    """Return a function that launches the kernel with this layout, given its other arguments."""
    by_value, function = launch.by_value(layout), None
    blocks, threads, shared = grid(kernel, layout), (kernel.threads,), kernel.shared_bytes

    def queue(arguments: tuple) -> None:
        nonlocal function
        if function is None:
            function = launch.function(kernel.source(), kernel.stem, device, shared)
        function(blocks, threads, (*arguments, by_value), shared_mem=shared)

    return queue


@lru_cache(maxsize=64)
def shared_limit(device: Device) -> int:
    """Return the bytes of shared memory that a block may have."""
    return device.xp.cuda.Device(device.index).attributes["MaxSharedMemoryPerBlockOptin"]
