"""Re-export of the trainer, which lives in tinyfft.training."""

from tinyfft.training.trainer import Callback, DivergedError, Trainer

__all__ = ["Callback", "DivergedError", "Trainer"]
