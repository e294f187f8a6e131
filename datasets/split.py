"""Pictures held out, as many of each class as its share says."""

import numpy as np


def stratified_split(labels: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(kept, held out): the numbers of the pictures, sorted; of each class `fraction` is held out, rounded.

    A class of at least two pictures keeps one and gives one, if the fraction is more than 0. Chosen by the seed alone.
    """
    rng = np.random.default_rng([seed, 0x5911])
    held_out = [np.empty(0, np.int64)]
    for label in np.unique(labels) if fraction else ():
        members = rng.permutation(np.flatnonzero(labels == label))
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        held_out.append(members[:count])
    chosen = np.sort(np.concatenate(held_out))
    return np.setdiff1d(np.arange(len(labels)), chosen), chosen
