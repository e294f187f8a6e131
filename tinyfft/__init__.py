"""tinyfft: a small deep-learning framework in which convolution is the Fourier transform.

    import tinyfft
    from tinyfft import nn
    tinyfft.use_device("cpu")
    conv = nn.FFTConvolution(3, 16, kernel_size=5, padding="same")
    y = conv.forward(x)
    conv.zeroGradParameters(); gx = conv.backward(x, gy)

    tinyfft.arena.limit_bytes[tinyfft.current_device()] = 256 << 20  # for the frequency buffers of all layers

Source  Mathieu, Henaff, LeCun: Fast Training of Convolutional Networks through FFTs, 2013, arXiv:1312.5851
"""

from tinyfft import arena, nn
from tinyfft.backend import Device, current_device, use_device
from tinyfft.random import manual_seed
from tinyfft.version import __version__

__all__ = ["Device", "__version__", "arena", "current_device", "manual_seed", "nn", "use_device"]
