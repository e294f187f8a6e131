"""What a report shows of a network itself: how it judges the test pictures, its first kernels, its time.

outcome = evaluation.evaluate(network, loader.epoch(0))
findings = Findings(classes, outcome.confusion, examples(outcome, images, right=True), ...)
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinyfft.backend import to_host
from tinyfft.evaluation import Outcome, probabilities
from tinyfft.nn.module import Module

COUNT = 20
"""Examples of one kind."""


class Example(NamedTuple):
    picture: np.ndarray  # (3, H, W), uint8
    target: int  # the right class
    predicted: int
    probability: float  # of the predicted class


class Findings(NamedTuple):
    classes: Sequence[str]
    confusion: np.ndarray  # (K, K): how many pictures of class i are taken for class j
    right: Sequence[Example]
    wrong: Sequence[Example]
    kernels: np.ndarray | None  # (F, C, kH, kW)
    layers: Sequence[dict[str, Any]]  # the rows of tinyfft.timing


def examples(outcome: Outcome, images: np.ndarray, right: bool) -> list[Example]:
    """Pictures that the network judges right, or wrong: of each class in turn the ones that it is surest of.

    images  (n, 3, H, W), uint8: those of `outcome`, in its order
    """
    shares = probabilities(outcome.outputs).max(axis=1)
    found = np.flatnonzero((outcome.predicted == outcome.targets) == right)
    found = found[np.argsort(-shares[found], kind="stable")]
    turns = np.zeros(len(found), np.int64)
    for label in np.unique(outcome.targets[found]):
        of_class = outcome.targets[found] == label
        turns[of_class] = np.arange(of_class.sum())
    chosen = found[np.lexsort((outcome.targets[found], turns))][:COUNT]
    return [Example(images[n], int(outcome.targets[n]), int(outcome.predicted[n]), float(shares[n])) for n in chosen]


def first_kernels(network: Module) -> np.ndarray | None:
    """(F, C, kH, kW): a copy of the first convolution's weights on the host; None if there is no convolution."""
    for _, module in network.modules():
        if "weight" in module.parameter_names and module.weight.ndim == 4:
            return np.array(to_host(module.weight))
    return None
