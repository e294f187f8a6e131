"""The error of a request that cannot be carried out."""


class UsageError(ValueError):
    """Wrong options or data. train.py prints the message as one line; its exit code is 2."""
