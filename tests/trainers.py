"""Small trainings for tests."""

import numpy as np

import tinyfft
from tinyfft import nn, optim
from tinyfft.training.trainer import Trainer


class Batches:
    """A loader with the same batches in every epoch; `asked` lists the arguments of each call of `epoch`."""

    def __init__(self, device, images, labels, sizes):
        ends = np.cumsum(sizes)
        parts = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        self.batches = [(device.array(images[part]), device.array(labels[part])) for part in parts]
        self.asked = []

    def __len__(self):
        return len(self.batches)

    def epoch(self, number, first=0):
        self.asked.append((number, first))
        return iter(self.batches[first:])


def linear_trainer(network=None, rate=0.0, momentum=0.0, steps=100, kind="constant", **named):
    network = network or nn.Sequential(nn.Flatten(), nn.Linear(12, 3, dtype="float64"))
    optimizer = optim.SGD(*network.getParameters(), 0.5, momentum)
    optimizer.learning_rate = 0.5
    schedule = optim.Schedule(kind, rate or 1e-12, steps)
    return Trainer(network, nn.CrossEntropyCriterion(), optimizer, schedule, **named)


def random_trainer(**named):
    """A trainer with all that a state holds: momentum, dropout, running statistics, a schedule, an autotuned layer."""
    tinyfft.manual_seed(7)
    network = nn.Sequential(
        *(nn.Convolution(3, 2, 1), nn.BatchNormalization(2), nn.Dropout(0.3), nn.Flatten(), nn.Linear(8, 3))
    )
    return linear_trainer(network, rate=0.3, momentum=0.5, steps=9, kind="one_cycle", **named)


def nine_images(rng):
    """Return nine images (9, 3, 2, 2) of three classes, and their labels."""
    return rng.standard_normal((9, 3, 2, 2)), rng.integers(3, size=9)
