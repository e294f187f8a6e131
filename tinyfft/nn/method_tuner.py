"""Method tuner: choose a method and a plan for each pass and shape of a Convolution.

The candidates are "direct" and "fft", "fft 2" and so on: the Fourier method with each plan that may be the fastest
(fourier/plan.py). The first call of a pass with a new shape compiles the candidates' kernels in parallel and measures
the candidates, unless this machine has a cached result (autotune.py). All Fourier passes of a shape use the plan that
the first one chose. A `deterministic` layer measures nothing: it takes the method of fewer operations.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Any

from tinyfft import autotune
from tinyfft.arena import current_arena
from tinyfft.backend import Array
from tinyfft.cuda import launch
from tinyfft.cuda.source import Source
from tinyfft.fourier import convolution
from tinyfft.fourier.chunks import fits
from tinyfft.fourier.plan import CANDIDATES, Plan
from tinyfft.ops import direct_convolution as direct

FOURIER_CANDIDATES = ("fft", *(f"fft {number}" for number in range(2, CANDIDATES + 1)))

DIRECT_MAX_OPS_RATIO = {"cpu": 4, "cuda": 0.9}
"""The direct method is a candidate up to this many times the Fourier method's operations, by kind of device. In
measurements (benchmarks.methods) it lost from 2.0 times the operations on two CPU cores, from 0.99 times on an H200."""


class MethodTuner:
    def __init__(self, layer: Any) -> None:
        """layer  the Convolution; its `run(method, name, *arrays)` runs one pass"""
        self._layer = layer
        self._chosen: dict[tuple[str, tuple[int, ...], float], str] = {}

    @property
    def choices(self) -> list[tuple[str, list[int], float | None, str]]:
        """All choices so far: (pass, shape of the input, limit of the arena or None, candidate).

        Set them to choose the same without measuring. Unknown passes and candidates are ignored.
        """
        return [
            (name, list(shape), None if limit == inf else limit, candidate)
            for (name, shape, limit), candidate in self._chosen.items()
        ]

    @choices.setter
    def choices(self, choices: Iterable[Sequence]) -> None:
        self._chosen = {
            (name, tuple(shape), inf if limit is None else limit): candidate
            for name, shape, limit, candidate in choices
            if name in convolution.PASSES and candidate in (*FOURIER_CANDIDATES, "direct")
        }

    def choose(self, name: str, relu: bool, *arrays: Array) -> str:
        """Return the method of a pass, "fft" or "direct"; set the layer's plan for the input's shape to the chosen one.

        name    the pass
        relu    whether a ReLU is fused
        arrays  the arguments of the pass: input, and gradOutput of a backward pass
        """
        shape, limit = arrays[0].shape, current_arena(self._layer.device).limit
        if (name, shape, limit) not in self._chosen:
            self._chosen[name, shape, limit] = self._tune(name, relu, limit, arrays)
        return self._apply(self._chosen[name, shape, limit], shape)

    def _apply(self, candidate: str, shape: tuple[int, ...]) -> str:
        """Return the candidate's method, after setting the layer's plan if it is the Fourier method."""
        if candidate not in FOURIER_CANDIDATES:
            return candidate
        plans = self._layer.plans(shape)
        self._layer.set_plan(shape, plans[min(FOURIER_CANDIDATES.index(candidate), len(plans) - 1)])
        return "fft"

    def _tune(self, name: str, relu: bool, limit: float, arrays: tuple[Array, ...]) -> str:
        layer, shape = self._layer, arrays[0].shape
        plan, candidates = layer.plans(shape)[0], self._candidates(shape, limit)
        if layer.deterministic:
            is_direct = "direct" in candidates and plan.direct_operations <= plan.pass_operations
            return "direct" if is_direct else next(iter(candidates))

        def kernels(*chosen: str) -> list[Source]:
            return [kernel for each in chosen for kernel in self._kernels(each, candidates[each], relu)]

        options = f"{layer.precision}, {layer.memory}, arena.limit_bytes {limit}"
        problem = f"{name}, {options}, {', '.join(candidates)}, {plan}"
        calls = {candidate: partial(self._run, candidate, name, *arrays) for candidate in candidates}
        fastest = next(iter(candidates))
        if len(candidates) > 1:
            with self._gradients_restored():
                fastest = autotune.fastest(layer.device, problem, calls, lambda: kernels(*candidates))
        launch.compile_all(kernels(fastest), layer.device)  # for all passes: another one may use it without measuring
        return fastest

    def _candidates(self, shape: tuple[int, ...], limit: float) -> dict[str, Plan]:
        """Return the candidates for a pass, with their plans.

        The plan of an earlier choice for this shape and limit is the only one; else all plans that fit the limit are.
        """
        layer, plans = self._layer, dict(zip(FOURIER_CANDIDATES, self._layer.plans(shape), strict=False))
        earlier = [choice for (_, *key), choice in self._chosen.items() if key == [shape, limit] and choice in plans]
        fitting = [candidate for candidate, plan in plans.items() if fits(plan, limit)]
        candidates = {candidate: plans[candidate] for candidate in earlier[:1] or fitting or FOURIER_CANDIDATES[:1]}
        plan = plans["fft"]
        ratio = inf if layer.deterministic else DIRECT_MAX_OPS_RATIO[plan.kind]
        if plan.direct_operations <= ratio * plan.pass_operations and layer.fits_directly(plan):
            candidates["direct"] = plan
        return candidates

    def _kernels(self, candidate: str, plan: Plan, relu: bool) -> list[Source]:
        if candidate == "direct":
            return direct.kernels(plan, self._layer.precision, self._layer.device)
        names = ["updateOutput", *self._layer.backward_passes]
        return convolution.kernels(plan, names, self._layer.device, relu)

    def _run(self, candidate: str, name: str, *arrays: Array) -> None:
        self._layer.run(self._apply(candidate, arrays[0].shape), name, *arrays)

    @contextmanager
    def _gradients_restored(self) -> Iterator[None]:
        """Restore the gradients of parameters at the end: each measured pass adds to them."""
        gradients = self._layer.parameters()[1]
        saved = [gradient.copy() for gradient in gradients]
        yield
        for gradient, before in zip(gradients, saved, strict=True):
            gradient[...] = before
