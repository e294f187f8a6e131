"""The layers, in Torch7's module protocol (module.py). One idea a file: the folder's listing is the table of contents."""

from tinyfft.nn.module import Module
from tinyfft.nn.sequential import Sequential

__all__ = ["Module", "Sequential"]
