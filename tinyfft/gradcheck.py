"""Are the gradients of a module right? One call compares them with central differences.

    gradcheck(nn.Linear(5, 3, dtype="float64"), x)
    gradcheck(nn.CrossEntropyCriterion(), logits, target)

Let L be the loss, a function of the input and of all parameters: for a criterion its own value, for a module
L = sum(y r), where y is the output and r a random array of its shape. Then r is the gradOutput, and for any direction d

    <gradient of L, d>  =  (L(at + eps d) - L(at - eps d)) / (2 eps)  +  O(eps^2)

The left side comes from `backward`, the right side from two calls of `forward`. One random direction over the input and
all parameters tests all gradients at once: its entries are between 1/2 and 3/2 in size, with random signs, so that none
can hide. Both sides are sums that may cancel, so their difference is measured against sum |gradient d|, and must stay
within `tolerance` of it: the error is about eps^2 in theory and 1e-16 / eps in rounding, 1e-10 at the default eps.

On the way it is also seen that accGradParameters adds `scale` times the gradient to what was there. Afterwards all
parameters, gradients and buffers are as they were. Dropout draws the same mask each time. Where the function has a kink
(ReLU at 0, two equal values in a window of MaxPool) no gradient exists within eps: keep inputs away from it.

Dtypes  float64 only: in float32 rounding is larger than what is measured. Raises ValueError when it is another one or a
        criterion has no target, GradientError when a gradient is wrong.
Source  torch/nn, Jacobian.lua; chainer, gradient_check.py, check_backward (one direction, one number)
"""

from collections.abc import Callable

import numpy as np

from tinyfft import backend
from tinyfft.backend import Array, to_host
from tinyfft.nn.criterion import Criterion
from tinyfft.nn.module import Module, gradient_name

SCALE = 0.5  # a power of two, so that scaling the parameters' gradients costs no digit


class GradientError(AssertionError):
    """A gradient that central differences do not confirm."""


def gradcheck(
    module: Module | Criterion,
    input: Array,
    target: Array | None = None,
    eps: float = 1e-5,
    tolerance: float = 1e-7,
    seed: int = 0,
) -> None:
    """Check the gradients of `module` at `input`, in the mode (training or evaluation) that it is in.

    input      an array of the module's device, float64; must be writable, and is as it was afterwards
    target     for a criterion: what it compares the input with; not differentiated
    seed       chooses direction and gradOutput
    Raises     GradientError with both values, eps and tolerance, and the two values for each array alone
    """
    arrays = {"input": input, **_parameters(module)}
    for name, array in arrays.items():
        if array.dtype != "float64":
            raise ValueError(f"gradcheck: {name} has dtype {array.dtype}, expected float64")
    if isinstance(module, Criterion) and target is None:
        raise ValueError(f"gradcheck: target is None, expected the target of {module!r}")
    rng = np.random.default_rng(seed)
    saved = [(array, array.copy()) for array in _all_arrays(module, input)]
    random_state = backend.generator().bit_generator.state
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
        backend.generator().bit_generator.state = random_state
        for array, values in saved:
            array[...] = values
        _weights_changed(module)


def _loss_and_gradients(
    module: Module | Criterion, input: Array, target: Array | None, rng: np.random.Generator
) -> tuple[Callable[[], float], dict[str, np.ndarray]]:
    """(the loss as a function of what the arrays hold, its gradients from `backward`, on the host)."""
    state = backend.generator().bit_generator.state

    def forward() -> Array:
        backend.generator().bit_generator.state = state
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
    """Trained arrays by dotted name."""
    return _named(module, str)


def _gradients(module: Module | Criterion) -> dict[str, Array]:
    """Their gradients, under the same names."""
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
    """What must be as before when the check is done."""
    state = module.state().values() if isinstance(module, Module) else ()
    return [input, *state, *_gradients(module).values()]
