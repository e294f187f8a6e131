"""Training: the loop, its metrics, evaluation, checkpoints, callbacks and progress displays."""
