"""The choice of a method, and of its plan, for each pass and shape of a Convolution.

Candidates are "fft", "fft 2" and so on, the Fourier method with each plan that may be the best (fourier/plan.py), and
"direct". They are measured at the first call of each pass with a new shape on this machine (autotune.py); their kernels
are compiled side by side before. All Fourier passes of a shape take the plan of the first one. If the layer is
`deterministic` nothing is measured: the method of fewer operations is taken, which need not be the faster one.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Any

from tinyfft import autotune, gpu
from tinyfft.backend import Array
from tinyfft.fourier import convolution
from tinyfft.fourier.arena import current_arena
from tinyfft.fourier.chunks import fits
from tinyfft.fourier.plan import CANDIDATES, Plan
from tinyfft.gpu import Source
from tinyfft.ops import direct_convolution as direct

FOURIER = ("fft", *(f"fft {number}" for number in range(2, CANDIDATES + 1)))

DIRECT_MAX_OPS_RATIO = {"cpu": 4, "cuda": 2}
"""The direct method is a candidate up to this many times the Fourier method's operations, by kind of device. Measured
(benchmarks.methods), it lost on two cores from 2.0 times the operations on, on an H200 from 1.0 times on."""


class MethodTuner:
    def __init__(self, layer: Any) -> None:
        """layer  the Convolution, whose `run(method, name, *arrays)` runs one pass"""
        self._layer = layer
        self._chosen: dict[tuple[str, tuple[int, ...], float], str] = {}

    @property
    def choices(self) -> list[tuple[str, list[int], float | None, str]]:
        """(pass, shape of the input, limit of the arena or None, candidate) of all choices so far.

        Set it to choose the same without measuring. What this version does not know is left out.
        """
        return [(name, list(shape), None if limit == inf else limit, to) for (name, shape, limit), to in self._all()]

    @choices.setter
    def choices(self, choices: Iterable[Sequence]) -> None:
        self._chosen = {
            (name, tuple(shape), inf if limit is None else limit): to
            for name, shape, limit, to in choices
            if name in convolution.PASSES and to in (*FOURIER, "direct")
        }

    def choose(self, name: str, relu: bool, *arrays: Array) -> str:
        """Return the method of a pass on these arrays, "fft" or "direct"; its plan becomes the shape's.

        relu  whether a ReLU is fused
        """
        shape, limit = arrays[0].shape, current_arena(self._layer.device).limit
        if (name, shape, limit) not in self._chosen:
            self._chosen[name, shape, limit] = self._tune(name, relu, limit, arrays)
        return self._take(self._chosen[name, shape, limit], shape)

    def _take(self, candidate: str, shape: tuple[int, ...]) -> str:
        if candidate not in FOURIER:
            return candidate
        plans = self._layer.plans(shape)
        self._layer.set_plan(shape, plans[min(FOURIER.index(candidate), len(plans) - 1)])
        return "fft"

    def _tune(self, name: str, relu: bool, limit: float, arrays: tuple[Array, ...]) -> str:
        layer, shape = self._layer, arrays[0].shape
        plan, candidates = layer.plans(shape)[0], self._candidates(shape, limit)
        if layer.deterministic:
            fewer = "direct" in candidates and plan.direct_operations <= plan.pass_operations
            return "direct" if fewer else next(iter(candidates))

        def kernels(*chosen: str) -> list[Source]:
            return [kernel for each in chosen for kernel in self._kernels(each, candidates[each], relu)]

        how = f"{layer.precision}, {layer.memory}, arena.limit_bytes {limit}"
        problem = f"{name}, {how}, {', '.join(candidates)}, {plan}"
        calls = {each: partial(self._run, each, name, *arrays) for each in candidates}
        fastest = next(iter(candidates))
        if len(candidates) > 1:
            with self._gradients_restored():
                fastest = autotune.fastest(layer.device, problem, calls, lambda: kernels(*candidates))
        gpu.compile_all(kernels(fastest), layer.device)  # of all passes; another pass may take it unmeasured
        return fastest

    def _candidates(self, shape: tuple[int, ...], limit: float) -> dict[str, Plan]:
        """Return the candidates for a pass, with their plans."""
        layer, plans = self._layer, dict(zip(FOURIER, self._layer.plans(shape), strict=False))
        taken = [to for (_, *at), to in self._all() if at == [shape, limit] and to in plans]
        fitting = [to for to, plan in plans.items() if fits(plan, limit)]
        found = {to: plans[to] for to in taken[:1] or fitting or FOURIER[:1]}
        plan = plans["fft"]
        ratio = inf if layer.deterministic else DIRECT_MAX_OPS_RATIO[plan.kind]
        few = plan.direct_operations <= ratio * plan.pass_operations
        return found | {"direct": plan} if few and layer.fits_directly(plan) else found

    def _kernels(self, candidate: str, plan: Plan, relu: bool) -> list[Source]:
        if candidate == "direct":
            return direct.kernels(plan, self._layer.precision, self._layer.device)
        return convolution.kernels(plan, self._layer.device, relu)

    def _run(self, candidate: str, name: str, *arrays: Array) -> None:
        self._layer.run(self._take(candidate, arrays[0].shape), name, *arrays)

    def _all(self) -> Iterable[tuple[tuple[str, tuple[int, ...], float], str]]:
        return self._chosen.items()

    @contextmanager
    def _gradients_restored(self) -> Iterator[None]:
        gradients = self._layer.parameters()[1]
        saved = [gradient.copy() for gradient in gradients]
        yield
        for gradient, before in zip(gradients, saved, strict=True):
            gradient[...] = before
