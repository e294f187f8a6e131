"""What a command cannot do."""


class UsageError(ValueError):
    """A request that cannot be met as it stands."""
