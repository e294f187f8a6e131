"""A network of the paper's five convolutions, to time them: 3-96 k11, 96-256 k7, 256-384 k5, 384-384 k5, 384-384 k3.

ReLU follows each convolution, 2 x 2 max-pooling the second and the fifth. The last layer is linear.
Source  Mathieu, Henaff, LeCun: Fast Training of Convolutional Networks through FFTs, 2013, arXiv:1312.5851
"""

from typing import Any

from tinyfft import nn

LAYERS = ((96, 11, False), (256, 7, True), (384, 5, False), (384, 5, False), (384, 3, True))
"""(output maps, kernel size, whether max-pooling follows) of each convolution."""


def paper(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    dtype: str = "float32",
    precision: str = "fp32",
    **convolution: Any,
) -> nn.Sequential:
    """Return the network. Raises ValueError for images smaller than 4 x 4.

    input_shape  (C, H, W) of an image
    classes      number of outputs
    dtype        "float32" or "float64"
    precision    precision of the products: "fp32", on a GPU also "tf32" or "bf16"
    convolution  further arguments of each nn.Convolution: algorithm, memory, deterministic
    """
    C, H, W = input_shape
    if H < 4 or W < 4:
        raise ValueError(f"paper: images have {H} x {W} pixels, expected at least 4 x 4")
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
