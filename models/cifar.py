"""Three convolutions for small pictures, each followed by normalisation, ReLU and 2 x 2 max-pooling; a linear layer."""

from tinyfft import nn


def cifar(
    input_shape: tuple[int, int, int],
    classes: int,
    algorithm: str = "auto",
    precision: str = "fp32",
    memory: str = "recompute",
    deterministic: bool = False,
    dtype: str = "float32",
    channels: tuple[int, int, int] = (32, 64, 128),
    kernel_size: int = 5,
) -> nn.Sequential:
    """The network for pictures of shape (C, H, W); `channels` are the output maps of the three convolutions.

    Raises ValueError if a picture is smaller than 8 x 8, of which three poolings would leave nothing.
    """
    C, H, W = input_shape
    if H < 8 or W < 8:
        raise ValueError(f"cifar: pictures have {H} x {W} pixels, expected at least 8 x 8")
    options = {"padding": "same", "precision": precision, "memory": memory, "dtype": dtype}
    options |= {"algorithm": algorithm, "deterministic": deterministic}
    network = nn.Sequential()
    for F in channels:
        # no bias: the normalisation has one, and takes away any other
        network.add(nn.Convolution(C, F, kernel_size, bias=False, **options))
        network.add(nn.BatchNormalization(F, dtype=dtype)).add(nn.ReLU()).add(nn.MaxPool(2))
        C, H, W = F, H // 2, W // 2
    return network.add(nn.Flatten()).add(nn.Linear(C * H * W, classes, dtype=dtype))
