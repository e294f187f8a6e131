"""Time what tinyfft queues on a GPU, launch by launch, with the bytes and operations of each launch.

with Watch(device) as watch:
    network.forward(x)
watch.milliseconds(), watch.floors(bytes_per_ms, {dtype: operations_per_ms})

Watch replaces the functions that launch transforms, their products, other kernels and cuBLAS, and records a CUDA event
before and after each launch. The GPU must be busy until the host has queued all launches (clock.occupy); otherwise the
times include the host's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self
from unittest import mock

from tinyfft.backend import Array, Device
from tinyfft.cuda import cublas, launch
from tinyfft.fourier import product
from tinyfft.fourier.gpu import transforms

GROUPS = {
    "transforms": ("spectrum", "signal"),
    "products": ("complex64", "complex128", "uint32", "tensor_product", "warpgroup_product"),  # by dtype
    "direct convolution": ("implicit_gemm", "plain_gemm", "add_parts"),
    "linear layer": ("float32", "float64"),  # cuBLAS's
    "pooling": ("max_pool", "max_pool_gradient", "max_pool_gradient_disjoint"),
    "normalisation": ("moments", "statistics", "normalize", "gradient_sums", "totals", "input_gradient"),
    "loss": ("cross_entropy", "mean", "cross_entropy_gradient", "count_correct"),
    "optimizer": ("sgd",),
    "biases": ("column_sums",),
    "dropout": ("dropout",),
}
"""Group -> its kernels; a product goes by the dtype of its result."""

UPDATED = {"sgd": (0, 2), "column_sums": (1,), "add_parts": (1, 2)}
"""Kernel -> the arguments that it both reads and writes, which count twice."""


Work = tuple[str, tuple, int]
"""Kernel, arguments whose arrays are moved, and a product's operations or 0."""


@dataclass(frozen=True)
class Launch:
    group: str
    start: Any  # CUDA events
    end: Any
    bytes: int
    operations: int
    dtype: str  # of a product


class Watch:
    def __init__(self, device: Device) -> None:
        self.device = device
        self.launches: list[Launch] = []
        self._nested = False
        self._patches = [
            mock.patch.object(module, name, self._timed(getattr(module, name), work))
            for module, name, work in (
                (transforms, "run", _transform),
                (launch, "run", _kernel),
                (cublas, "gemm", _product),
                (product, "product", _product),
            )
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
        """Return the time of each group, in the order of GROUPS."""
        elapsed = self.device.xp.cuda.get_elapsed_time
        return self._sums(lambda launch: elapsed(launch.start, launch.end))

    def floors(self, bytes_per_ms: float, operations_per_ms: dict[str, float]) -> dict[str, float]:
        """Return the least milliseconds of each group at these rates."""
        return self._sums(
            lambda launch: max(
                launch.bytes / bytes_per_ms,
                launch.operations / operations_per_ms[launch.dtype] if launch.operations else 0,
            )
        )

    def _sums(self, of_launch: Callable[[Launch], float]) -> dict[str, float]:
        found = {group: [launch for launch in self.launches if launch.group == group] for group in GROUPS}
        return {group: sum(map(of_launch, launches)) for group, launches in found.items() if launches}

    def _timed(self, call: Callable[..., None], work: Callable[..., Work]) -> Callable[..., None]:
        """Return `call` between two events. What it launches itself, as a product does, is not timed again."""

        def timed(*arguments: Any, **options: Any) -> None:
            if self._nested:
                return call(*arguments, **options)
            kernel, operands, operations = work(*arguments, **options)
            group = next(group for group, kernels in GROUPS.items() if kernel in kernels)
            moved = sum(operand.nbytes for operand in operands if isinstance(operand, self.device.xp.ndarray))
            start, end = (self.device.xp.cuda.Event() for _ in range(2))
            self._nested = True
            start.record()
            try:
                call(*arguments, **options)
            finally:
                self._nested = False
            end.record()
            self.launches.append(Launch(group, start, end, moved, operations, kernel if operations else ""))

        return timed


def _transform(
    stem: str, plan: Any, name: str, planes: Array, device: Device, arguments: tuple, accumulate: bool = False, **_: Any
) -> Work:
    return stem, (*arguments, planes) if accumulate else arguments, 0


def _kernel(source: Any, name: str, blocks: tuple, threads: int, arguments: tuple, *_: Any) -> Work:
    return name, (*arguments, *(arguments[place] for place in UPDATED.get(name, ()))), 0


def _product(a: Array, b: Array, out: Array, *_: Any, transpose_a: bool = False, add: bool = False, **__: Any) -> Work:
    return out.dtype.name, (a, b, out, out) if add else (a, b, out), operations(a, out, transpose_a)


def operations(a: Array, out: Array, transpose_a: bool = False) -> int:
    """Return the real operations of out = op(a) @ op(b): 2 for each product of real numbers, 8 of complex ones."""
    return (2 if out.dtype.kind == "f" else 8) * out.size * a.shape[-2 if transpose_a else -1]
