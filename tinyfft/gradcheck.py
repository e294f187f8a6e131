"""Gradient check: compare the gradients of a module with central differences in one call.

    gradcheck(nn.Linear(5, 3, dtype="float64"), x)
    gradcheck(nn.CrossEntropyCriterion(), logits, target)

Let L(z) be a scalar function of z, the input together with all parameters. For a criterion, L is the loss. For a
module, L = sum(y r), where y is the output and r a random array of its shape: r is gradOutput. For any direction d

    <gradient of L at z, d>  =  (L(z + eps d) - L(z - eps d)) / (2 eps)  +  O(eps^2)

`backward` gives the left side, two calls of `forward` give the right side. One random direction over the input and all
parameters tests all gradients at once. The direction's entries have sizes between 1/2 and 3/2 and random signs, so an
error of any gradient shows. Both sides are sums that may cancel, so the difference is measured relative to
sum |gradient d| and must be at most `tolerance`. The truncation error is about eps^2, the rounding error 1e-16 / eps:
1e-10 at the default eps.

The check also covers that accGradParameters adds `scale` times the gradient to the old gradient. It restores all
parameters, gradients and buffers, and Dropout uses one mask throughout. At a kink (ReLU at 0, two equal values in a
window of MaxPool) there is no gradient: choose inputs whose distance to kinks is more than eps.

Dtypes  float64; in float32 rounding errors are larger than the tolerance. Raises ValueError for another dtype and for a
        criterion without target, GradientError for a wrong gradient.
Source  torch/nn, Jacobian.lua; chainer, gradient_check.py, check_backward (one direction, one number)
"""

from collections.abc import Callable

import numpy as np

from tinyfft import random
from tinyfft.backend import Array, to_host
from tinyfft.nn.criterion import Criterion
from tinyfft.nn.module import Module, gradient_name

SCALE = 0.5  # a power of two, so that scaling does not round


class GradientError(AssertionError):
    """A gradient that differs from the central difference."""


def gradcheck(
    module: Module | Criterion,
    input: Array,
    target: Array | None = None,
    eps: float = 1e-5,
    tolerance: float = 1e-7,
    seed: int = 0,
) -> None:
    """Check the gradients of `module` at `input`, in the module's mode (training or evaluation).

    module     a module or a criterion, whose parameters are float64
    input      float64 array of the module's device; the check writes into it and restores it
    target     the target of a criterion, which is not differentiated
    eps        step of the central difference
    tolerance  largest difference allowed, relative to sum |gradient d|
    seed       seed of the random direction and of gradOutput

    Raises GradientError, whose text has both values and, for each array alone, its two values.
    """
    arrays = {"input": input, **_parameters(module)}
    for name, array in arrays.items():
        if array.dtype != "float64":
            raise ValueError(f"gradcheck: {name} has dtype {array.dtype}, expected float64")
    if isinstance(module, Criterion) and target is None:
        raise ValueError(f"gradcheck: target is None, expected the target of {module!r}")
    rng = np.random.default_rng(seed)
    saved = [(array, array.copy()) for array in _all_arrays(module, input)]
    random_state = random.generator().bit_generator.state
    try:
        loss, gradients = _loss_and_gradients(module, input, target, rng)
        if isinstance(module, Module) and not module.needs_gradInput:
            del arrays["input"]
        directions = {name: _direction(array.shape, rng) for name, array in arrays.items()}
        products = {name: gradients[name] * directions[name] for name in arrays}

        def difference(names: list[str]) -> float:
            return _central_difference(module, loss, {name: arrays[name] for name in names}, directions, eps)

        analytic, numeric = sum(float(p.sum()) for p in products.values()), difference(list(arrays))
        scale = sum(float(np.abs(p).sum()) for p in products.values()) or abs(numeric) or 1.0
        if not abs(analytic - numeric) <= tolerance * scale:
            alone = [(name, products[name].sum(), difference([name]), arrays[name].shape) for name in arrays]
            lines = [f"  {n} {shape}: backward {a:.12g}, central difference {d:.12g}" for n, a, d, shape in alone]
            raise GradientError(
                f"gradcheck: {module!r}: backward gives {analytic:.12g}, the central difference {numeric:.12g}.\n"
                f"They differ by {abs(analytic - numeric) / scale:.3g} of {scale:.6g}, expected at most tolerance = "
                f"{tolerance:g} (eps = {eps:g}, seed = {seed}). Along each array alone:\n" + "\n".join(lines)
            )
    finally:
        random.generator().bit_generator.state = random_state
        for array, values in saved:
            array[...] = values
        _weights_changed(module)


def _loss_and_gradients(
    module: Module | Criterion, input: Array, target: Array | None, rng: np.random.Generator
) -> tuple[Callable[[], float], dict[str, np.ndarray]]:
    """Return (a function that computes L from the arrays' values, the gradients from `backward` on the host)."""
    state = random.generator().bit_generator.state

    def forward() -> Array:
        random.generator().bit_generator.state = state
        return module.forward(input) if isinstance(module, Module) else module.forward(input, target)

    output = forward()
    if isinstance(module, Criterion):
        return forward, {"input": to_host(module.backward(input, target)).copy()}
    gradOutput = rng.standard_normal(output.shape)
    before = {name: rng.standard_normal(array.shape) for name, array in _gradients(module).items()}
    for name, array in _gradients(module).items():
        array[...] = module.device.array(before[name])
    gradInput = module.backward(input, module.device.array(gradOutput), SCALE)
    gradients = {name: (to_host(array) - before[name]) / SCALE for name, array in _gradients(module).items()}
    if gradInput is not None:
        gradients["input"] = to_host(gradInput).copy()
    return lambda: float(np.sum(to_host(forward()) * gradOutput)), gradients


def _central_difference(
    module: Module | Criterion,
    loss: Callable[[], float],
    arrays: dict[str, Array],
    directions: dict[str, np.ndarray],
    eps: float,
) -> float:
    saved = {name: array.copy() for name, array in arrays.items()}
    losses = []
    for sign in (1, -1):
        for name, array in arrays.items():
            array[...] = saved[name] + sign * eps * module.device.array(directions[name])
        _weights_changed(module)
        losses.append(loss())
    for name, array in arrays.items():
        array[...] = saved[name]
    _weights_changed(module)
    return (losses[0] - losses[1]) / (2 * eps)


def _weights_changed(module: Module | Criterion) -> None:
    if isinstance(module, Module):
        module.weights_changed()


def _direction(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)


def _parameters(module: Module | Criterion) -> dict[str, Array]:
    """Return the parameters by dotted name."""
    return _named(module, str)


def _gradients(module: Module | Criterion) -> dict[str, Array]:
    """Return the gradients of the parameters by the parameters' names."""
    return _named(module, gradient_name)


def _named(module: Module | Criterion, attribute: Callable[[str], str]) -> dict[str, Array]:
    if isinstance(module, Criterion):
        return {}
    return {
        f"{prefix}.{name}" if prefix else name: getattr(inner, attribute(name))
        for prefix, inner in module.modules()
        for name in inner.parameter_names
    }


def _all_arrays(module: Module | Criterion, input: Array) -> list[Array]:
    """Return all arrays that the check must restore."""
    state = module.state().values() if isinstance(module, Module) else ()
    return [input, *state, *_gradients(module).values()]
