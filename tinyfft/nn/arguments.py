"""Checks of constructors' arguments: TypeError for a wrong type, ValueError for a value out of range.

Every message names the layer, the argument, its value and the expected values.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

Pair = int | Sequence[int]
"""One integer for both axes, or a pair (rows, columns)."""


def integer(layer: object, name: str, value: Any, minimum: int = 1) -> int:
    """Return `value` as an int, after a check that it is an integer of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{type(layer).__name__}: {name} is {value!r}, expected an integer")
    if value < minimum:
        raise ValueError(f"{type(layer).__name__}: {name} is {value}, expected at least {minimum}")
    return int(value)


def pair(layer: object, name: str, value: Any, minimum: int = 1) -> tuple[int, int]:
    """Return (rows, columns) from one integer or a pair of integers, each at least `minimum`."""
    if isinstance(value, int | np.integer):
        value = (value, value)
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise TypeError(f"{type(layer).__name__}: {name} is {value!r}, expected an integer or a pair of integers")
    rows, columns = (integer(layer, name, entry, minimum) for entry in value)
    return rows, columns


def one_of(layer: object, name: str, value: Any, choices: Sequence[str]) -> str:
    """Return `value`, after a check that it is one of the choices."""
    if value not in choices:
        expected = " or ".join(map(repr, choices))
        raise ValueError(f"{type(layer).__name__}: {name} is {value!r}, expected {expected}")
    return value
