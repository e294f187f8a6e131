"""Convolutions in a row, each with normalisation and ReLU, max-pooling after some of them; then a linear layer."""

from collections.abc import Sequence
from typing import Any

from tinyfft import nn


def convnet(
    input_shape: tuple[int, int, int],
    classes: int,
    channels: Sequence[int] = (32, 64, 128),
    kernel_sizes: Sequence[int] = (5, 5, 5),
    pool_after: Sequence[int] = (1, 2, 3),
    residual_after: Sequence[int] = (),
    global_pool: bool = False,
    dropout: float = 0.0,
    dtype: str = "float32",
    precision: str = "fp32",
    **convolution: Any,
) -> nn.Sequential:
    """The network for pictures of shape (C, H, W).

    channels      output maps of each convolution
    kernel_sizes  of each; pictures are padded so that a convolution keeps their size
    pool_after    which of them, counted from 1, are followed by 2 x 2 max-pooling
    residual_after  which of them, behind the pooling, are followed by two more of as many maps and that kernel size,
                  to whose output their input is added
    global_pool   whether the linear layer sees of each map the largest number alone, and not the whole map
    dropout       share of the numbers before the linear layer that training sets to zero
    convolution   further arguments of each nn.Convolution: algorithm, memory, deterministic
    Raises ValueError if the lists do not fit each other, or the poolings leave nothing of a picture.
    """
    _check(input_shape, channels, kernel_sizes, {"pool_after": pool_after, "residual_after": residual_after})
    C, H, W = input_shape
    # no bias: the normalisation has one, and takes away any other
    options = {"padding": "same", "bias": False, "dtype": dtype, "precision": precision, **convolution}

    def add_convolution(chain: nn.Sequential, C: int, F: int, kernel_size: int) -> None:
        chain.add(nn.Convolution(C, F, kernel_size, **options))
        chain.add(nn.BatchNormalization(F, dtype=dtype)).add(nn.ReLU())

    network = nn.Sequential()
    for number, (F, kernel_size) in enumerate(zip(channels, kernel_sizes, strict=True), 1):
        add_convolution(network, C, F, kernel_size)
        C = F
        if number in pool_after:
            network.add(nn.MaxPool(2))
            H, W = H // 2, W // 2
        if number in residual_after:
            network.add(nn.Residual())
            for _ in range(2):
                add_convolution(network[-1], F, F, kernel_size)
    if global_pool:
        network.add(nn.MaxPool((H, W)))
        H, W = 1, 1
    network.add(nn.Flatten())
    if dropout:
        network.add(nn.Dropout(dropout))
    return network.add(nn.Linear(C * H * W, classes, dtype=dtype, precision=precision))


def _check(
    input_shape: tuple[int, int, int],
    channels: Sequence[int],
    kernel_sizes: Sequence[int],
    places: dict[str, Sequence[int]],
) -> None:
    layers = len(channels)
    if not layers or len(kernel_sizes) != layers:
        raise ValueError(
            f"convnet: channels has {layers} entries and kernel_sizes {len(kernel_sizes)}, expected the same, 1 or more"
        )
    for name, numbers in places.items():
        if len(set(numbers)) != len(numbers) or not all(1 <= number <= layers for number in numbers):
            raise ValueError(
                f"convnet: {name} is {list(numbers)}, expected numbers of convolutions, 1 to {layers}, each once"
            )
    H, W = input_shape[1:]
    least = 2 ** len(places["pool_after"])
    if least > H or least > W:
        raise ValueError(f"convnet: pictures have {H} x {W} pixels, expected at least {least} x {least}")
