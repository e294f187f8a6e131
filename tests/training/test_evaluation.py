import numpy as np
import pytest

from tinyfft import nn
from tinyfft.training.evaluation import Outcome, evaluate, probabilities


@pytest.fixture
def outcome():
    outputs = np.array([[2.0, 1, 0], [0, 3, 1], [5, 4, 3], [0, 0, 1]])
    return Outcome(outputs, np.array([0, 1, 1, 0]))


def test_predictions_accuracy_and_confusion(outcome):
    assert list(outcome.predicted) == [0, 1, 0, 2]
    assert outcome.accuracy == 0.5
    assert outcome.confusion.tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]


def test_probabilities_are_softmax_without_overflow():
    found = probabilities(np.array([[0.0, np.log(3)], [1000, 1000]], np.float32))
    np.testing.assert_allclose(found, [[0.25, 0.75], [0.5, 0.5]], rtol=1e-6)


def test_outputs_of_all_batches_in_order(device, rng):
    network = nn.Sequential(nn.BatchNormalization(4), nn.Linear(4, 3))
    x, targets = rng.standard_normal((7, 4), dtype=np.float32), rng.integers(3, size=7)
    seen = []
    batches = [(device.array(x[part]), device.array(targets[part])) for part in (slice(0, 5), slice(5, 7))]
    outcome = evaluate(network, batches, advance=seen.append)
    assert seen == [5, 2]
    assert not network.train
    whole = evaluate(network, [(device.array(x), device.array(targets))])
    np.testing.assert_allclose(outcome.outputs, whole.outputs, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(outcome.targets, targets)
