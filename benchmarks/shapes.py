"""Layers to time: the paper's five, convnet-benchmarks' five, and wide kernels.

Each layer is (minibatch, input maps, output maps, pixels, kernel, padding); images and kernels are square, strides 1.
Source  Mathieu, Henaff, LeCun 2013 (its five layers); soumith/convnet-benchmarks, README (L1 to L5)
"""

from typing import NamedTuple


class Layer(NamedTuple):
    S: int
    C: int
    F: int
    n: int
    k: int
    padding: int | str = 0


LAYERS = {
    "net-L1": Layer(128, 3, 96, 32, 11, "same"),
    "net-L2": Layer(128, 96, 256, 32, 7, "same"),
    "net-L3": Layer(128, 256, 384, 16, 5, "same"),
    "net-L4": Layer(128, 384, 384, 16, 5, "same"),
    "net-L5": Layer(128, 384, 384, 16, 3, "same"),
    "k15": Layer(64, 96, 96, 56, 15, "same"),
    "k31": Layer(32, 64, 64, 56, 31, "same"),
    "valid-L1": Layer(128, 3, 96, 32, 11),
    "valid-L2": Layer(128, 96, 256, 32, 7),
    "valid-L3": Layer(128, 256, 384, 16, 5),
    "valid-L4": Layer(128, 384, 384, 16, 5),
    "valid-L5": Layer(128, 384, 384, 16, 3),
    "dense-9": Layer(128, 128, 128, 32, 9),
    "dense-15": Layer(128, 64, 64, 64, 15),
    "dense-31": Layer(128, 64, 64, 64, 31),
    "convnet-L1": Layer(128, 3, 96, 128, 11),
    "convnet-L2": Layer(128, 64, 128, 64, 9),
    "convnet-L3": Layer(128, 128, 128, 32, 9),
    "convnet-L4": Layer(128, 128, 128, 16, 7),
    "convnet-L5": Layer(128, 384, 384, 13, 3),
}

SMALL = {
    "k15-16": Layer(16, 64, 64, 56, 15, "same"),
    "k31-8": Layer(8, 64, 64, 56, 31, "same"),
}
"""Wide kernels with minibatches for a CPU, measured only when named."""

CIFAR = {
    "cifar-L1": Layer(128, 3, 32, 32, 5, "same"),
    "cifar-L2": Layer(128, 32, 64, 16, 5, "same"),
    "cifar-L3": Layer(128, 64, 128, 8, 5, "same"),
}
"""Three of the five convolutions of configs/cifar.toml, for `benchmarks.methods`."""

PAPER = ("net-L1", "net-L2", "net-L3", "net-L4", "net-L5")
"""The paper's five, as in models/paper.py."""
