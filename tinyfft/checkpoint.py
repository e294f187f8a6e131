"""Re-export of checkpoints, which live in tinyfft.training."""

from tinyfft.training.checkpoint import *  # noqa: F403
