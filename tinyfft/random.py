"""The random generator of initial weights and of dropout's keys."""

import numpy as np


def manual_seed(seed: int) -> None:
    """Restart the random numbers of initial weights and dropout from `seed`."""
    global _generator
    _generator = np.random.default_rng(seed)


def generator() -> np.random.Generator:
    """Return the generator of initial weights and dropout. It runs on the host: every device gets the same numbers."""
    return _generator


_generator = np.random.default_rng(0)
