"""What a network says of pictures, and how often it is right.

outcome = evaluate(network, loader.epoch(0), classes=10)
outcome.accuracy, outcome.confusion
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from tinyfft.backend import Array, to_host
from tinyfft.nn.module import Module


class Outcome(NamedTuple):
    """Of n pictures and K classes, on the host."""

    outputs: np.ndarray  # (n, K), the network's
    targets: np.ndarray  # (n,), the right classes

    @property
    def predicted(self) -> np.ndarray:
        """(n,): the classes with the highest outputs."""
        return self.outputs.argmax(axis=1)

    @property
    def accuracy(self) -> float:
        """The fraction that is right."""
        return float((self.predicted == self.targets).mean())

    @property
    def confusion(self) -> np.ndarray:
        """(K, K): how many pictures of class i are taken for class j."""
        K = self.outputs.shape[1]
        return np.bincount(self.targets * K + self.predicted, minlength=K * K).reshape(K, K)


def outputs(network: Module, input: Array, mirror: bool = False) -> Array:
    """(S, K): the network's for the pictures; with `mirror` their mean with those for the pictures mirrored left to
    right, which are other pictures of the same things. The network's array, or a new one."""
    found = network.forward(input)
    if not mirror:
        return found
    found = found.copy()
    found += network.forward(network.device.xp.ascontiguousarray(input[..., ::-1]))
    found /= 2
    return found


def evaluate(
    network: Module,
    batches: Iterable[tuple[Array, Array]],
    mirror: bool = False,
    advance: Callable[[int], object] = lambda images: None,
) -> Outcome:
    """The `outputs` for all batches, in evaluate() mode, in which the network stays; advance(images) after each."""
    network.evaluate()
    found, targets = [], []
    for input, target in batches:
        found.append(np.array(to_host(outputs(network, input, mirror))))
        targets.append(to_host(target))
        advance(len(target))
    return Outcome(np.concatenate(found), np.concatenate(targets))


def probabilities(outputs: np.ndarray) -> np.ndarray:
    """(n, K): e^output over its sum in each row, float64."""
    exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True), dtype=np.float64)
    return exponentials / exponentials.sum(axis=1, keepdims=True)
