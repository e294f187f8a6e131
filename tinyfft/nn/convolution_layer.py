"""Base class of the convolution layers: arguments, parameters, plans and checks of shapes.

A layer computes cross-correlation, as Torch and PyTorch do:

    y[s, f, i, j] = bias[f] + sum_{c,u,v} x[s, c, stride i + u - padding, stride j + v - padding] weight[f, c, u, v]

Shapes  input (S, C, H, W), output (S, F, oH, oW), weight (F, C, kH, kW), bias (F,);
        oH = (H + padding above and below - kH) // stride + 1, oW likewise
Dtypes  float32, float64. Raises ValueError for a wrong shape, dtype or value, TypeError for an argument of a wrong type
Source  torch/nn, SpatialConvolution.lua; "same" as torch.nn.Conv2d defines it
"""

from collections.abc import Callable, Sequence
from typing import Any, Self

from tinyfft.arena import LimitError
from tinyfft.backend import Array
from tinyfft.fourier.axis import Axis
from tinyfft.fourier.convolution import PASSES
from tinyfft.fourier.plan import Plan, plans_for
from tinyfft.fourier.product import precisions
from tinyfft.fourier.spectrum_cache import SpectrumCache
from tinyfft.nn.arguments import Pair, integer, one_of, pair
from tinyfft.nn.init import add_parameters, initialize
from tinyfft.nn.module import Module


class ConvolutionLayer(Module):
    backward_reads_output = False
    chunks: int = 0
    """Into how many blocks the last Fourier pass was cut (fourier/chunks.py): 1, not at all; 0 before the first one."""

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
        """in_channels   maps of the input, C
        out_channels  maps of the output, F
        kernel_size   rows and columns of a kernel: an integer or a pair (rows, columns)
        stride        rows and columns between two outputs' windows: an integer or a pair
        padding       zeros around the input: an integer or a pair, or "same" for an output of the input's size
        bias          whether the layer adds a bias to each output map
        precision     of products: "fp32", or on a GPU "tf32" or "bf16"
        memory        "recompute": the backward pass computes the spectra of input and weights again
                      "keep": the forward pass keeps them for the backward pass, if it runs in one chunk
                      "auto": "keep" if these spectra take at most half of the free memory, else "recompute"
        dtype         "float32" or "float64"
        tile          output rows and columns of a tile in the Fourier method; None: the plan chooses
        init          rule for initial values, "torch7" or "kaiming" (nn/init.py)
        groups        1: other values raise ValueError
        dilation      1: other values raise ValueError
        """
        super().__init__()
        self._name = kind = type(self).__name__  # a Convolution keeps its own name when a method's class runs its pass
        if groups != 1 or pair(self, "dilation", dilation, 1) != (1, 1):
            raise ValueError(f"{kind}: groups = {groups}, dilation = {dilation}: only 1 is supported, for both")
        self.in_channels = integer(self, "in_channels", in_channels)
        self.out_channels = integer(self, "out_channels", out_channels)
        self.kernel_size = pair(self, "kernel_size", kernel_size, 1)
        self.stride = pair(self, "stride", stride, 1)
        self.padding = "same" if padding == "same" else pair(self, "padding", padding, 0)
        if self.padding == "same" and self.stride != (1, 1):
            raise ValueError(f"{kind}: padding is 'same' with stride {self.stride}, expected stride 1")
        self.precision = one_of(self, f"precision on {self.device}", precision, precisions(self.device))
        self.memory = one_of(self, "memory", memory, ("recompute", "keep", "auto"))
        self.tile = None if tile is None else integer(self, "tile", tile)
        self.init = init
        maps = (self.out_channels,)
        add_parameters(self, dtype, weight=(*maps, self.in_channels, *self.kernel_size), bias=maps if bias else None)
        self.spectra = SpectrumCache(self.device)
        self._plans: dict[tuple[int, ...], Plan] = {}
        self._keeps: dict[Plan, bool] = {}
        self.algorithms: dict[str, str | None] = dict.fromkeys(PASSES)
        self.reset()

    def reset(self, init: str | None = None) -> None:
        """Write new initial values by the rule `init`, by default the constructor's; fan-in = C kH kW."""
        initialize(self.weight, self.bias, init or self.init, self.weight[0].size, self.device)
        self.weights_changed()

    @property
    def backward_passes(self) -> list[str]:
        """The passes that `backward` runs."""
        return ["updateGradInput", "accGradParameters"] if self.needs_gradInput else ["accGradParameters"]

    def plan(self, input_shape: Sequence[int]) -> Plan:
        """Return the plan for an input of this shape. Raises ValueError if the layer cannot use such an input."""
        shape = tuple(input_shape)
        if shape not in self._plans:
            self._plans[shape] = self.plans(shape)[0]
        return self._plans[shape]

    def plans(self, shape: tuple[int, ...]) -> tuple[Plan, ...]:
        """Return the plans that may be the fastest for an input of this shape, the most likely one first."""
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
        sizes = (*shape[:2], self.out_channels, y, x, self.dtype.itemsize, self.tile)
        return plans_for(self.device, *sizes, precision=self.precision)

    def set_plan(self, shape: tuple[int, ...], plan: Plan) -> None:
        """Make one of `plans` the plan for an input of this shape."""
        self._plans[shape] = plan

    def keeps(self, plan: Plan) -> bool:
        """Return whether training keeps spectra from the forward pass to the backward pass.

        memory = "auto" decides at the first call with a plan: yes if they take at most half of the free memory.
        """
        if self.memory == "auto" and plan not in self._keeps:
            nbytes, free = plan.spectrum_bytes("x") + plan.spectrum_bytes("w"), self.device.free_bytes
            self._keeps[plan] = free is None or 2 * nbytes <= free
        return self.memory == "keep" or self._keeps.get(plan, False)

    @property
    def kept_bytes(self) -> int:
        """Bytes of the spectra that are kept for a later pass, outside the arena."""
        return self.spectra.nbytes

    def weights_changed(self) -> None:
        self.spectra.invalidate("w")

    def clearState(self) -> Self:
        self.spectra.drop()
        return super().clearState()

    def frequency_bytes_formula(self, input_shape: Sequence[int]) -> int:
        """Return the paper's bytes of the three spectra, 4 n (n + 1) (S f + S f' + f f') with transforms of n x n."""
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
        """Return (above, left) and (below, right), the padding before and after each axis."""
        if self.padding == "same":
            before = tuple((k - 1) // 2 for k in self.kernel_size)
            return before, tuple(k - 1 - b for k, b in zip(self.kernel_size, before, strict=True))
        return self.padding, self.padding

    def _compute(self, algorithm: str, names: Sequence[str], work: Callable, *arguments: Any, **named: Any) -> Any:
        """Return work(*arguments, **named), which runs the passes `names`; a LimitError gets the layer's name."""
        self.algorithms.update(dict.fromkeys(names, algorithm))
        try:
            return work(*arguments, **named)
        except LimitError as error:
            raise LimitError(f"{self!r}: {error}: raise it") from error

    def _check_input(self, input: Array) -> Plan:
        """Return the plan for this input after a check of its shape and dtype."""
        self._check_array(input)
        return self.plan(input.shape)

    def _check_backward(self, input: Array, gradOutput: Array) -> Plan:
        """Return the plan for this input after a check of both arrays."""
        plan = self._check_input(input)
        expected = plan.output_shape
        if gradOutput.shape != expected or gradOutput.dtype != self.dtype:
            raise ValueError(
                f"{self._name}: gradOutput has shape {gradOutput.shape} and dtype {gradOutput.dtype}, "
                f"expected {expected} and {self.dtype}"
            )
        return plan
