"""The network to time the paper's five layers in: 3-96 k11, 96-256 k7, 256-384 k5, 384-384 k5, 384-384 k3.

ReLU follows each convolution, 2 x 2 max-pooling the second and the fifth; a linear layer ends it.
Source  Mathieu, Henaff, LeCun: Fast Training of Convolutional Networks through FFTs, 2013, arXiv:1312.5851
"""

from typing import Any

from tinyfft import nn

LAYERS = ((96, 11, False), (256, 7, True), (384, 5, False), (384, 5, False), (384, 3, True))  # maps, kernel, pooled?


def paper(
    input_shape: tuple[int, int, int],
    classes: int,
    dtype: str = "float32",
    precision: str = "fp32",
    **convolution: Any,
) -> nn.Sequential:
    """The network for pictures of shape (C, H, W). Raises ValueError if one is smaller than 4 x 4.

    convolution  further arguments of each nn.Convolution: algorithm, memory, deterministic
    """
    C, H, W = input_shape
    if H < 4 or W < 4:
        raise ValueError(f"paper: pictures have {H} x {W} pixels, expected at least 4 x 4")
    network = nn.Sequential()
    for F, kernel_size, pooled in LAYERS:
        network.add(
            nn.Convolution(C, F, kernel_size, padding="same", dtype=dtype, precision=precision, **convolution)
        ).add(nn.ReLU())
        C = F
        if pooled:
            network.add(nn.MaxPool(2))
            H, W = H // 2, W // 2
    return network.add(nn.Flatten()).add(nn.Linear(C * H * W, classes, dtype=dtype, precision=precision))
