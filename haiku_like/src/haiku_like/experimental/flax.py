"""The bridges to flax.linen, which import it; `pip install "haiku-like[flax]"` installs it."""

from haiku_like.flax_bridge import Module as Module
from haiku_like.flax_bridge import flatten_flax_to_haiku as flatten_flax_to_haiku
from haiku_like.flax_bridge import lift as lift

__all__ = ["Module", "flatten_flax_to_haiku", "lift"]
