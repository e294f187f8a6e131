"""What all convolution layers share: arguments, parameters, one check of shapes.

A layer computes cross-correlation, as Torch and PyTorch do:

    y[s, f, i, j] = bias[f] + sum_{c,u,v} x[s, c, stride i + u - padding, stride j + v - padding] weight[f, c, u, v]

Shapes  input (S, C, H, W), output (S, F, oH, oW), weight (F, C, kH, kW), bias (F,);
        oH = (H + padding above and below - kH) // stride + 1, oW alike
Dtypes  float32, float64. Raises ValueError when a shape or a dtype does not fit, TypeError for a wrong kind of argument
Source  torch/nn, SpatialConvolution.lua; "same" as torch.nn.Conv2d defines it
"""

from collections.abc import Callable, Sequence
from typing import Any, Self

from tinyfft.backend import Array
from tinyfft.fourier.arena import LimitError
from tinyfft.fourier.axis import Axis
from tinyfft.fourier.convolution import PASSES
from tinyfft.fourier.plan import Plan, plan_convolutions
from tinyfft.fourier.product import PRECISIONS
from tinyfft.fourier.spectrum_cache import SpectrumCache
from tinyfft.nn.arguments import Pair, one_of, pair, whole_number
from tinyfft.nn.init import initialize, make_parameters
from tinyfft.nn.module import Module


class ConvolutionLayer(Module):
    backward_reads_output = False
    chunks: int = 0
    """In how many chunks the last Fourier pass went; 0 before the first one."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        bias: bool = True,
        precision: str = "fp32",
        memory: str = "recompute",
        dtype: str = "float32",
        tile: int | None = None,
        init: str = "torch7",
        groups: int = 1,
        dilation: Pair = 1,
    ) -> None:
        """padding  int, pair (rows, columns), or "same"
        precision  of products: "fp32", or on a GPU "tf32" or "bf16"
        memory     "recompute" (the backward pass computes the spectra of input and weights again), "keep" (from the
                   forward pass, if it goes in one chunk) or "auto" (keep them if they fit half of the free memory)
        tile       output rows and columns a tile of the Fourier method; None: the plan chooses
        init       "torch7" or "kaiming" (nn/init.py)
        """
        super().__init__()
        self._name = kind = type(self).__name__  # not of the class that runs a pass for a Convolution
        if groups != 1 or pair(self, "dilation", dilation, 1) != (1, 1):
            raise ValueError(f"{kind}: groups = {groups}, dilation = {dilation}: only 1 is supported, for both")
        self.in_channels = whole_number(self, "in_channels", in_channels)
        self.out_channels = whole_number(self, "out_channels", out_channels)
        self.kernel_size = pair(self, "kernel_size", kernel_size, 1)
        self.stride = pair(self, "stride", stride, 1)
        self.padding = "same" if padding == "same" else pair(self, "padding", padding, 0)
        if self.padding == "same" and self.stride != (1, 1):
            raise ValueError(f"{kind}: padding is 'same' with stride {self.stride}, expected stride 1")
        supported = PRECISIONS[self.device.kind]
        self.precision = one_of(self, f"precision on {self.device}", precision, supported)
        self.memory = one_of(self, "memory", memory, ("recompute", "keep", "auto"))
        self.tile = None if tile is None else whole_number(self, "tile", tile)
        self.init = init
        maps = (self.out_channels,)
        make_parameters(self, dtype, weight=(*maps, self.in_channels, *self.kernel_size), bias=maps if bias else None)
        self.spectra = SpectrumCache(self.device)
        self._plans: dict[tuple[int, ...], Plan] = {}
        self._keeps: dict[Plan, bool] = {}
        self.algorithms: dict[str, str | None] = dict.fromkeys(PASSES)
        self.reset()

    def reset(self, init: str | None = None) -> None:
        """Draw initial values; fan-in = C kH kW."""
        initialize(self.weight, self.bias, init or self.init, self.weight[0].size, self.device)
        self.weights_changed()

    @property
    def backward_passes(self) -> list[str]:
        """The passes that `backward` runs."""
        return ["updateGradInput", "accGradParameters"] if self.needs_gradInput else ["accGradParameters"]

    def plan(self, input_shape: Sequence[int]) -> Plan:
        """The sizes and costs of convolving an input of this shape. Raises ValueError if it does not fit."""
        shape = tuple(input_shape)
        if shape not in self._plans:
            self._plans[shape] = self.plans(shape)[0]
        return self._plans[shape]

    def plans(self, shape: tuple[int, ...]) -> tuple[Plan, ...]:
        """All plans for an input of this shape that may be the fastest, the most likely first."""
        kH, kW = self.kernel_size
        if len(shape) != 4:
            raise ValueError(f"{self._name}: input has shape {shape}, expected 4 axes (S, C, H, W)")
        if shape[1] != self.in_channels:
            raise ValueError(
                f"{self._name}: input has {shape[1]} maps (shape {shape}), expected in_channels = {self.in_channels}"
            )
        if min(shape) < 1:
            raise ValueError(f"{self._name}: input has shape {shape}, expected at least 1 on each axis")
        y, x = (Axis(*sizes) for sizes in zip(shape[2:], self.kernel_size, self.stride, *self._margins(), strict=True))
        if y.out < 1 or x.out < 1:
            padded = (y.size + y.before + y.after, x.size + x.before + x.after)
            raise ValueError(
                f"{self._name}: input has shape {shape}, {padded[0]} x {padded[1]} when padded, "
                f"expected at least the kernel's {kH} x {kW}"
            )
        sizes = (self.out_channels, y, x, self.dtype.itemsize, self.tile, self.device.kind, self.precision)
        return plan_convolutions(*shape[:2], *sizes)

    def set_plan(self, shape: tuple[int, ...], plan: Plan) -> None:
        """Make one of `plans` the plan for an input of this shape."""
        self._plans[shape] = plan

    def keeps(self, plan: Plan) -> bool:
        """Whether training keeps spectra from the forward pass to the backward pass.

        With memory = "auto" it does if they take at most half of the memory that is free when it is first asked.
        """
        if self.memory == "auto" and plan not in self._keeps:
            nbytes, free = plan.spectrum_bytes("x") + plan.spectrum_bytes("w"), self.device.free_bytes
            self._keeps[plan] = free is None or 2 * nbytes <= free
        return self.memory == "keep" or self._keeps.get(plan, False)

    @property
    def kept_bytes(self) -> int:
        """Bytes of spectra that are kept from one pass to a later one, outside the arena."""
        return self.spectra.nbytes

    def weights_changed(self) -> None:
        self.spectra.invalidate("w")

    def clearState(self) -> Self:
        self.spectra.drop()
        return super().clearState()

    def frequency_bytes_formula(self, input_shape: Sequence[int]) -> int:
        """The paper's bytes for this layer's three spectra, 4 n (n + 1) (S f + S f' + f f'), n the transform length."""
        return self.plan(input_shape).paper_bytes

    def __repr__(self) -> str:
        (kH, kW), (sH, sW) = self.kernel_size, self.stride
        text = f"nn.{self._name}({self.in_channels} -> {self.out_channels}, {kH}x{kW}"
        text += f", stride {sH}x{sW}" if self.stride != (1, 1) else ""
        text += f", padding {self.padding}" if self.padding != (0, 0) else ""
        text += ", no bias" if self.bias is None else ""
        text += f", tile {self.tile}" if self.tile else ""
        chunks = f", {self.chunks} chunks" if self.chunks > 1 else ""
        return f"{text}, {self.precision}, {self.memory}{chunks})"

    def _margins(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """(above, left), (below, right): the padding before and after each axis."""
        if self.padding == "same":
            before = tuple((k - 1) // 2 for k in self.kernel_size)
            return before, tuple(k - 1 - b for k, b in zip(self.kernel_size, before, strict=True))
        return self.padding, self.padding

    def _compute(self, algorithm: str, names: Sequence[str], work: Callable, *arguments: Any, **named: Any) -> Any:
        """Return work(*arguments, **named), which computes these passes; a LimitError names the layer."""
        self.algorithms.update(dict.fromkeys(names, algorithm))
        try:
            return work(*arguments, **named)
        except LimitError as error:
            raise LimitError(f"{self!r}: {error}: raise it") from error

    def _check_input(self, input: Array) -> Plan:
        """The plan for this input: the one check of shapes and dtype for all three passes."""
        self._check_array(input)
        return self.plan(input.shape)

    def _check_backward(self, input: Array, gradOutput: Array) -> Plan:
        plan = self._check_input(input)
        expected = plan.output_shape
        if gradOutput.shape != expected or gradOutput.dtype != self.dtype:
            raise ValueError(
                f"{self._name}: gradOutput has shape {gradOutput.shape} and dtype {gradOutput.dtype}, "
                f"expected {expected} and {self.dtype}"
            )
        return plan
