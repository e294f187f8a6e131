"""Layers and criteria with Torch7's module protocol (module.py), one idea a file."""

from tinyfft.nn.activation import LogSoftMax, ReLU
from tinyfft.nn.convolution import Convolution
from tinyfft.nn.criterion import ClassNLLCriterion, Criterion, CrossEntropyCriterion, MSECriterion
from tinyfft.nn.direct_convolution import DirectConvolution
from tinyfft.nn.dropout import Dropout
from tinyfft.nn.fft_convolution import FFTConvolution
from tinyfft.nn.linear import Linear
from tinyfft.nn.module import Module
from tinyfft.nn.normalization import BatchNormalization
from tinyfft.nn.pooling import AveragePool, MaxPool
from tinyfft.nn.reshape import Flatten
from tinyfft.nn.residual import Residual
from tinyfft.nn.sequential import Sequential

__all__ = [
    "AveragePool",
    "BatchNormalization",
    "ClassNLLCriterion",
    "Convolution",
    "Criterion",
    "CrossEntropyCriterion",
    "DirectConvolution",
    "Dropout",
    "FFTConvolution",
    "Flatten",
    "Linear",
    "LogSoftMax",
    "MSECriterion",
    "MaxPool",
    "Module",
    "ReLU",
    "Residual",
    "Sequential",
]
