"""Whole networks."""

from haiku_like.nets.mlp import MLP as MLP

__all__ = ["MLP"]
