"""Convolution and its gradients from the definition, in float64: plain sums over the taps of the kernel."""

import numpy as np


def margins(kernel_size, padding):
    """((above, below), (left, right)) of an int, a pair, or "same" as PyTorch defines it."""
    if padding == "same":
        return tuple(((k - 1) // 2, k - 1 - (k - 1) // 2) for k in kernel_size)
    pair = (padding, padding) if isinstance(padding, int) else padding
    return tuple((p, p) for p in pair)


def convolution(x, weight, bias=None, stride=(1, 1), padding=(0, 0)):
    """y[s, f, i, j] = bias[f] + sum_{c,u,v} padded x[s, c, stride i + u, stride j + v] weight[f, c, u, v]."""
    kH, kW = weight.shape[2:]
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), *margins((kH, kW), padding)))
    oH, oW = ((n - k) // s + 1 for n, k, s in zip(padded.shape[2:], (kH, kW), stride, strict=True))
    y = np.zeros((len(x), len(weight), oH, oW))
    for u, v in np.ndindex(kH, kW):
        y += np.einsum("scij,fc->sfij", _read(padded, u, v, oH, oW, stride), weight[:, :, u, v].astype(np.float64))
    return y if bias is None else y + bias[:, None, None]


def gradients(x, weight, gy, stride=(1, 1), padding=(0, 0)):
    """(d/dx, d/dweight, d/dbias) of sum(gy * y)."""
    kH, kW = weight.shape[2:]
    (top, bottom), (left, right) = margins((kH, kW), padding)
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    gx, gw, gy = np.zeros(padded.shape), np.zeros(weight.shape), gy.astype(np.float64)
    for u, v in np.ndindex(kH, kW):
        read = _read(padded, u, v, *gy.shape[2:], stride)
        gw[:, :, u, v] = np.einsum("sfij,scij->fc", gy, read)
        into = _read(gx, u, v, *gy.shape[2:], stride)
        into += np.einsum("sfij,fc->scij", gy, weight[:, :, u, v].astype(np.float64))
    height, width = x.shape[2:]
    return gx[:, :, top : top + height, left : left + width], gw, gy.sum(axis=(0, 2, 3))


def _read(padded, u, v, oH, oW, stride):
    """The view of what tap (u, v) reads, one entry an output."""
    return padded[:, :, u : u + stride[0] * (oH - 1) + 1 : stride[0], v : v + stride[1] * (oW - 1) + 1 : stride[1]]
