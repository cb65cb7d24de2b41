"""The exceptions that purification raises; each is a `ValueError`, so old handlers keep working."""


class UsageError(ValueError):
    """A piece of `haiku_like` was used where it has no meaning, such as a module outside `hk.transform`."""


class JaxTransformError(UsageError):
    """A variable was created or changed, or a key taken, under a JAX transform that `haiku_like` does not know of."""


class MissingRNGError(ValueError):
    """A function asked for a random key and none was passed to `init` or `apply`."""


class NonEmptyStateError(ValueError):
    """A function under `hk.transform` used state, which only `hk.transform_with_state` returns."""
