"""Which pictures are shown, and whose kernels."""

import numpy as np

from tinyfft import nn
from tinyfft.evaluation import Outcome
from tinyfft.report import examples, findings, first_kernels


def outcome(*judged):
    """Of (right class, predicted class, how much it outweighs the other)."""
    outputs = np.zeros((len(judged), 2))
    for n, (_, predicted, margin) in enumerate(judged):
        outputs[n, predicted] = margin
    return Outcome(outputs, np.array([target for target, _, _ in judged]))


JUDGED = ((0, 0, 3), (0, 0, 5), (0, 0, 4), (1, 1, 1), (1, 0, 2), (0, 1, 1), (1, 0, 7))


def shown(right):
    images = np.arange(len(JUDGED), dtype=np.uint8)[:, None, None, None] * np.ones((3, 2, 2), np.uint8)
    return [(int(each.picture[0, 0, 0]), *each[1:]) for each in examples(outcome(*JUDGED), images, right)]


def test_of_each_class_in_turn_the_surest_come_first():
    assert [each[:3] for each in shown(True)] == [(1, 0, 0), (3, 1, 1), (2, 0, 0), (0, 0, 0)]
    assert [each[:3] for each in shown(False)] == [(5, 0, 1), (6, 1, 0), (4, 1, 0)]
    assert np.isclose(shown(True)[0][3], 1 / (1 + np.exp(-5.0)))


def test_there_are_no_more_than_so_many(monkeypatch):
    monkeypatch.setattr(findings, "COUNT", 2)
    assert [each[0] for each in shown(True)] == [1, 3]


def test_nothing_is_wrong_where_all_is_right():
    images = np.zeros((1, 3, 2, 2), np.uint8)
    assert examples(outcome((0, 0, 1)), images, right=False) == []


def test_the_first_convolution_gives_the_kernels(device):
    network = nn.Sequential(nn.ReLU(), nn.Convolution(3, 2, 5), nn.Convolution(2, 2, 3), nn.Flatten(), nn.Linear(8, 2))
    found = first_kernels(network)
    assert found.shape == (2, 3, 5, 5)
    assert np.array_equal(found, network.state()["1.weight"].tolist())
    network[1].weight[...] = 0
    assert found.any()
    assert first_kernels(nn.Sequential(nn.Linear(3, 2))) is None
