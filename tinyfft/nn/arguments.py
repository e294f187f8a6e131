"""Checks of what constructors are given: TypeError for a wrong kind of value, ValueError for one out of range.

Every message names the layer, the argument, what came and what was expected.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

Pair = int | Sequence[int]
"""A number, or one for rows and one for columns."""


def whole_number(layer: object, name: str, value: Any, least: int = 1) -> int:
    """`value`, a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{type(layer).__name__}: {name} is {value!r}, expected a whole number")
    if value < least:
        raise ValueError(f"{type(layer).__name__}: {name} is {value}, expected at least {least}")
    return int(value)


def pair(layer: object, name: str, value: Any, least: int = 1) -> tuple[int, int]:
    """(rows, columns) of a whole number or a pair of them, each at least `least`."""
    if isinstance(value, int | np.integer):
        value = (value, value)
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise TypeError(f"{type(layer).__name__}: {name} is {value!r}, expected a whole number or a pair of them")
    rows, columns = (whole_number(layer, name, entry, least) for entry in value)
    return rows, columns


def one_of(layer: object, name: str, value: Any, choices: Sequence[str]) -> str:
    """`value`, one of the choices."""
    if value not in choices:
        expected = " or ".join(map(repr, choices))
        raise ValueError(f"{type(layer).__name__}: {name} is {value!r}, expected {expected}")
    return value
