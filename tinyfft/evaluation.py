"""Re-export of the evaluation, which lives in tinyfft.training."""

from tinyfft.training.evaluation import Outcome, evaluate, outputs, probabilities

__all__ = ["Outcome", "evaluate", "outputs", "probabilities"]
