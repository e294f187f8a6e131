"""A convolutional network: convolutions with batch normalisation and ReLU, max-pooling, then a linear layer."""

from collections.abc import Sequence
from typing import Any

from tinyfft import nn


def convnet(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
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
    """Return the network.

    input_shape     (C, H, W) of an image
    classes         number of outputs
    channels        output maps of each convolution
    kernel_sizes    kernel size of each convolution; padding keeps the size of the maps
    pool_after      numbers, from 1, of the convolutions that are followed by 2 x 2 max-pooling
    residual_after  numbers of the convolutions that are followed, after the pooling, by a residual block: two more
                    convolutions with the same maps and kernel size, whose output is added to their input
    global_pool     whether the linear layer gets only the maximum of each map instead of the whole map
    dropout         probability with which training sets an input of the linear layer to zero
    dtype           "float32" or "float64"
    precision       precision of the products: "fp32", on a GPU also "tf32" or "bf16"
    convolution     further arguments of each nn.Convolution: algorithm, memory, deterministic
    Raises ValueError if the lists contradict each other, or if the images are too small for the poolings.
    """
    _check(input_shape, channels, kernel_sizes, {"pool_after": pool_after, "residual_after": residual_after})
    C, H, W = input_shape
    # no bias: the normalisation adds its own, and removes any other
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
        raise ValueError(f"convnet: images have {H} x {W} pixels, expected at least {least} x {least}")
