"""What our code queues on a GPU, launch by launch: how long each took, and the bytes and operations that it needed.

with Watch(device) as watch:
    network.forward(x)
watch.milliseconds(), watch.floors(bytes_per_ms, {dtype: operations_per_ms})

It stands between the code and its ways to a GPU (transforms, their products, other kernels, cuBLAS) and puts a CUDA
event before and behind each launch. The GPU has to be behind the host, or the host's time is in it (clock.occupy).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self
from unittest import mock

from tinyfft import cublas, gpu
from tinyfft.backend import Array, Device
from tinyfft.fourier import launch
from tinyfft.nn import fft_convolution

GROUPS = {
    "transforms": ("spectrum", "signal"),
    "products": ("complex64", "complex128", "uint32", "tensor_product", "warpgroup_product"),  # by dtype
    "direct convolution": ("implicit_gemm", "plain_gemm", "add_parts"),
    "linear layer": ("float32", "float64"),  # cuBLAS's
    "pooling": ("max_pool", "max_pool_gradient", "max_pool_gradient_apart"),
    "normalisation": ("moments", "statistics", "normalize", "gradient_sums", "totals", "pass_back"),
    "loss": ("cross_entropy", "mean", "cross_entropy_gradient", "count_correct"),
    "optimizer": ("sgd",),
    "biases": ("column_sums",),
    "dropout": ("dropout",),
}
"""The kernels of each group."""

UPDATED = {"sgd": (0, 2), "column_sums": (1,), "add_parts": (1, 2)}
"""Of kernels that write what they have read, the arguments that are moved twice for it."""


@dataclass(frozen=True)
class Launch:
    group: str
    start: Any  # events
    end: Any
    bytes: int
    operations: int = 0  # of a product, real ones
    dtype: str = ""


class Watch:
    def __init__(self, device: Device) -> None:
        self.device = device
        self.launches: list[Launch] = []
        transform, kernel, gemm, product = launch.run, gpu.launch, cublas.gemm, fft_convolution.product
        self._inside = False  # a product, whose own launch is not another one

        def watch_transform(
            stem: str, plan: Any, name: str, planes: Array, device: Device, arguments: tuple, **options
        ):
            twice = (planes,) if options.get("accumulate") else ()
            with self._timed(stem, (*arguments, *twice)):
                transform(stem, plan, name, planes, device, arguments, **options)

        def watch_kernel(source: Any, name: str, blocks: tuple, threads: int, arguments: tuple, *rest: Any):
            if self._inside:
                return kernel(source, name, blocks, threads, arguments, *rest)
            with self._timed(name, (*arguments, *(arguments[place] for place in UPDATED.get(name, ())))):
                kernel(source, name, blocks, threads, arguments, *rest)

        def watch_gemm(a: Array, b: Array, out: Array, device: Device, **how: Any):
            if self._inside:
                return gemm(a, b, out, device, **how)
            count = operations(a, out, how.get("transpose_a", False))
            twice = (out,) if how.get("add") else ()
            with self._timed(out.dtype.name, (a, b, out, *twice), count):
                gemm(a, b, out, device, **how)

        def watch_product(a: Array, b: Array, out: Array, device: Device, **how: Any):
            count = operations(a, out, how.get("transpose_a", False))
            with self._timed(out.dtype.name, (a, b, out), count):
                self._inside = True
                try:
                    product(a, b, out, device, **how)
                finally:
                    self._inside = False

        self._patches = [
            mock.patch.object(launch, "run", watch_transform),
            mock.patch.object(gpu, "launch", watch_kernel),
            mock.patch.object(cublas, "gemm", watch_gemm),
            mock.patch.object(fft_convolution, "product", watch_product),
        ]

    def __enter__(self) -> Self:
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        for patch in self._patches:
            patch.stop()
        self.device.synchronize()

    def milliseconds(self) -> dict[str, float]:
        """Of each group, in the order of GROUPS."""
        elapsed = self.device.xp.cuda.get_elapsed_time
        return self._sums(lambda launch: elapsed(launch.start, launch.end))

    def floors(self, bytes_per_ms: float, operations_per_ms: dict[str, float]) -> dict[str, float]:
        """Milliseconds that each group needs at least."""
        return self._sums(
            lambda launch: max(
                launch.bytes / bytes_per_ms,
                launch.operations / operations_per_ms[launch.dtype] if launch.operations else 0,
            )
        )

    def _sums(self, of_launch: Callable[[Launch], float]) -> dict[str, float]:
        found = {group: [launch for launch in self.launches if launch.group == group] for group in GROUPS}
        return {group: sum(map(of_launch, launches)) for group, launches in found.items() if launches}

    def _timed(self, kernel: str, arguments: tuple, count: int = 0) -> "_Timed":
        group = next(group for group, kernels in GROUPS.items() if kernel in kernels)
        arrays = [argument for argument in arguments if isinstance(argument, self.device.xp.ndarray)]
        return _Timed(self, group, sum(array.nbytes for array in arrays), count, kernel if count else "")


class _Timed:
    """Between two events."""

    def __init__(self, watch: Watch, *about: Any) -> None:
        self._watch, (self._group, *self._about) = watch, about
        self._start, self._end = (watch.device.xp.cuda.Event() for _ in range(2))

    def __enter__(self) -> None:
        self._start.record()

    def __exit__(self, *_: object) -> None:
        self._end.record()
        self._watch.launches.append(Launch(self._group, self._start, self._end, *self._about))


def operations(a: Array, out: Array, transpose_a: bool = False) -> int:
    """Real operations of the products out = op(a) @ op(b): 2 for each number that is multiplied, 8 for complex ones."""
    return (2 if out.dtype.kind == "f" else 8) * out.size * a.shape[-2 if transpose_a else -1]
