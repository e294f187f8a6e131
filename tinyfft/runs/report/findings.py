"""Results of the network in a report: confusion matrix, examples, first-layer kernels, time per layer.

outcome = evaluation.evaluate(network, loader.epoch(0))
correct = examples(outcome, images, correct=True)
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinyfft.backend import to_host
from tinyfft.nn.module import Module
from tinyfft.training.evaluation import Outcome, probabilities

MAX_EXAMPLES = 20


class Example(NamedTuple):
    """A test image and its prediction."""

    image: np.ndarray  # (3, H, W), uint8
    target: int  # true class
    predicted: int
    probability: float  # of the predicted class


class Findings(NamedTuple):
    """Everything in a run's report that depends on the network, for K classes."""

    classes: Sequence[str]
    confusion: np.ndarray  # (K, K): number of images of class i predicted as class j
    correct: Sequence[Example]
    wrong: Sequence[Example]
    kernels: np.ndarray | None  # (F, C, kH, kW), weights of the first convolution
    layers: Sequence[dict[str, Any]]  # the rows of tinyfft.runs.timing


def examples(outcome: Outcome, images: np.ndarray, correct: bool) -> list[Example]:
    """Return up to MAX_EXAMPLES images classified correctly, or wrongly: one of each true class, then a second, ...

    Within a class the images with the highest predicted probability come first.

    images  (n, 3, H, W), uint8, in the order of `outcome`
    """
    probability = probabilities(outcome.outputs).max(axis=1)
    found = np.flatnonzero((outcome.predicted == outcome.targets) == correct)
    found = found[np.argsort(-probability[found], kind="stable")]
    targets = outcome.targets[found]
    rounds = itertools.zip_longest(*(found[targets == label] for label in np.unique(targets)))
    shown = [n for one_of_each in rounds for n in one_of_each if n is not None][:MAX_EXAMPLES]
    targets, predicted = outcome.targets, outcome.predicted
    return [Example(images[n], int(targets[n]), int(predicted[n]), float(probability[n])) for n in shown]


def first_kernels(network: Module) -> np.ndarray | None:
    """Return a copy of the first convolution's weights (F, C, kH, kW) on the host, or None without a convolution."""
    for _, module in network.modules():
        if "weight" in module.parameter_names and module.weight.ndim == 4:
            return np.array(to_host(module.weight))
    return None
