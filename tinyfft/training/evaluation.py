"""A network's outputs for labelled images, and how often they are right.

outcome = evaluate(network, loader.epoch(0))
outcome.accuracy, outcome.confusion
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from tinyfft.backend import Array, to_host
from tinyfft.nn.module import Module


class Outcome(NamedTuple):
    """The outputs for n images of K classes, on the host."""

    outputs: np.ndarray  # (n, K)
    targets: np.ndarray  # (n,), the right classes

    @property
    def predicted(self) -> np.ndarray:
        """The class of each image with the highest output, (n,)."""
        return self.outputs.argmax(axis=1)

    @property
    def accuracy(self) -> float:
        """The fraction of images whose predicted class is right."""
        return float((self.predicted == self.targets).mean())

    @property
    def confusion(self) -> np.ndarray:
        """The number of images of class i that are predicted as class j, (K, K)."""
        K = self.outputs.shape[1]
        return np.bincount(self.targets * K + self.predicted, minlength=K * K).reshape(K, K)


def outputs(network: Module, input: Array, mirror: bool = False) -> Array:
    """Return the network's output (S, K); with `mirror` its mean with the output for images mirrored left to right."""
    if not mirror:
        return network.forward(input)
    mirrored = network.device.xp.ascontiguousarray(input[..., ::-1])
    return (network.forward(input).copy() + network.forward(mirrored)) / 2


def evaluate(
    network: Module,
    batches: Iterable[tuple[Array, Array]],
    mirror: bool = False,
    advance: Callable[[int], object] = lambda images: None,
) -> Outcome:
    """Return the Outcome for all batches, in evaluate() mode, in which the network stays.

    mirror   as of `outputs`
    advance  called after each minibatch with the number of its images
    """
    network.evaluate()
    found, targets = [], []
    for input, target in batches:
        found.append(np.array(to_host(outputs(network, input, mirror))))
        targets.append(to_host(target))
        advance(len(target))
    return Outcome(np.concatenate(found), np.concatenate(targets))


def probabilities(outputs: np.ndarray) -> np.ndarray:
    """Return the softmax of each row of (n, K) outputs, float64."""
    exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True), dtype=np.float64)
    return exponentials / exponentials.sum(axis=1, keepdims=True)
