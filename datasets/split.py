"""Hold out a share of the images of each class."""

import numpy as np


def stratified_split(labels: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted indices of the images that are kept, and of those that are held out.

    labels    (n,) integers, the class of each image
    fraction  the share of each class that is held out, rounded. If it is more than 0, a class of two or more images
              keeps at least one image and gives at least one
    seed      decides which images are held out
    """
    rng = np.random.default_rng([seed, 0x5911])
    held_out = [np.empty(0, np.int64)]
    for label in np.unique(labels) if fraction else ():
        members = rng.permutation(np.flatnonzero(labels == label))
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        held_out.append(members[:count])
    chosen = np.sort(np.concatenate(held_out))
    return np.setdiff1d(np.arange(len(labels)), chosen), chosen
