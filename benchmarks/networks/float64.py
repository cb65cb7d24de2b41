"""Layers in NumPy, in double precision: what all libraries are checked against."""

from collections.abc import Mapping

import numpy as np

Array = np.ndarray


def linear(params: Mapping[str, Array], x: Array) -> Array:
    """Returns `x w + b`."""
    return x @ params["w"] + params["b"]


def layer_norm(params: Mapping[str, Array], x: Array) -> Array:
    """Returns `x` of mean 0 and variance 1 along the last axis, scaled and shifted."""
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * params["scale"] + params["offset"]


def batch_norm(params: Mapping[str, Array], x: Array) -> Array:
    """Returns `x` of mean 0 and variance 1 over batch and space, scaled and shifted."""
    centred = x - x.mean((0, 1, 2))
    return centred / np.sqrt((centred**2).mean((0, 1, 2)) + 1e-5) * params["scale"] + params["offset"]


def relu(x: Array) -> Array:
    """Returns the positive part."""
    return np.maximum(x, 0)


def gelu(x: Array) -> Array:
    """Returns the approximation by tanh, the default of `jax.nn.gelu`."""
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def sigmoid(x: Array) -> Array:
    """Returns `1 / (1 + exp(-x))`."""
    return (1 + np.tanh(x / 2)) / 2


def softmax(x: Array) -> Array:
    """Returns the softmax along the last axis."""
    exp = np.exp(x - x.max(-1, keepdims=True))
    return exp / exp.sum(-1, keepdims=True)


def conv(x: Array, w: Array, stride: int = 1) -> Array:
    """Returns the convolution of images `[N, H, W, C]` with `w` of `[h, w, C, D]`, padded to keep its size."""
    return np.sum([window @ w[i, j] for (i, j), window in _windows(x, w.shape[0], stride, 0.0).items()], axis=0)


def max_pool(x: Array, size: int, stride: int) -> Array:
    """Returns the greatest value of each window of images `[N, H, W, C]`."""
    return np.max(list(_windows(x, size, stride, -np.inf).values()), axis=0)


def _windows(x: Array, size: int, stride: int, fill: float) -> dict[tuple[int, int], Array]:
    """Returns what stands at each place of a window, for all windows."""
    counts = [-(-n // stride) for n in x.shape[1:3]]
    missing = [max((c - 1) * stride + size - n, 0) for c, n in zip(counts, x.shape[1:3], strict=True)]
    before_after = [(m // 2, m - m // 2) for m in missing]
    x = np.pad(x, [(0, 0), *before_after, (0, 0)], constant_values=fill)
    height, width = ((c - 1) * stride + 1 for c in counts)
    return {(i, j): x[:, i : i + height : stride, j : j + width : stride] for i in range(size) for j in range(size)}
