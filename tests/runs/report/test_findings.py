"""Which images and kernels a report shows."""

import numpy as np

from tinyfft import nn
from tinyfft.runs.report import examples, findings, first_kernels
from tinyfft.training.evaluation import Outcome


def outcome(*judged):
    """Return the outcome for images given as (true class, predicted class, margin of its output)."""
    outputs = np.zeros((len(judged), 2))
    for n, (_, predicted, margin) in enumerate(judged):
        outputs[n, predicted] = margin
    return Outcome(outputs, np.array([target for target, _, _ in judged]))


JUDGED = ((0, 0, 3), (0, 0, 5), (0, 0, 4), (1, 1, 1), (1, 0, 2), (0, 1, 1), (1, 0, 7))


def shown(correct):
    images = np.arange(len(JUDGED), dtype=np.uint8)[:, None, None, None] * np.ones((3, 2, 2), np.uint8)
    return [(int(each.image[0, 0, 0]), *each[1:]) for each in examples(outcome(*JUDGED), images, correct)]


def test_classes_alternate_and_the_highest_probability_comes_first():
    assert [each[:3] for each in shown(True)] == [(1, 0, 0), (3, 1, 1), (2, 0, 0), (0, 0, 0)]
    assert [each[:3] for each in shown(False)] == [(5, 0, 1), (6, 1, 0), (4, 1, 0)]
    assert np.isclose(shown(True)[0][3], 1 / (1 + np.exp(-5.0)))


def test_the_number_of_examples_is_limited(monkeypatch):
    monkeypatch.setattr(findings, "MAX_EXAMPLES", 2)
    assert [each[0] for each in shown(True)] == [1, 3]


def test_without_errors_there_are_no_wrong_examples():
    images = np.zeros((1, 3, 2, 2), np.uint8)
    assert examples(outcome((0, 0, 1)), images, correct=False) == []


def test_the_first_convolution_gives_the_kernels(device):
    network = nn.Sequential(nn.ReLU(), nn.Convolution(3, 2, 5), nn.Convolution(2, 2, 3), nn.Flatten(), nn.Linear(8, 2))
    found = first_kernels(network)
    assert found.shape == (2, 3, 5, 5)
    assert np.array_equal(found, network.state()["1.weight"].tolist())
    network[1].weight[...] = 0
    assert found.any()
    assert first_kernels(nn.Sequential(nn.Linear(3, 2))) is None
