"""Whole networks."""

from haiku_like.nets.mlp import MLP as MLP
from haiku_like.nets.vqvae import VectorQuantizer as VectorQuantizer
from haiku_like.nets.vqvae import VectorQuantizerEMA as VectorQuantizerEMA

__all__ = ["MLP", "VectorQuantizer", "VectorQuantizerEMA"]
