"""The version of haiku_like, in this place only."""

__version__ = "0.1.0"
