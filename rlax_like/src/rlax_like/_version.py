"""The version of rlax_like, in this place only."""

__version__ = "0.1.0"
