"""Attention with several heads."""

import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from haiku_like import _checks
from haiku_like._core.module import Module
from haiku_like._traced_once import traced_once
from haiku_like.initializers import VarianceScaling
from haiku_like.layers.dropout import dropout
from haiku_like.layers.linear import Linear

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Shaped

    from haiku_like.typing import Initializer, PRNGKey

_MASKED = -1e30
"""The logit of a pair that is masked out. It is finite, so that a row with nothing but these has a softmax."""


class MultiHeadAttention(Module):
    """Lets each query take a mean of the values, weighted by how well its keys match.

    For each head, with `q`, `k`, `v` linear functions of `query`, `key`, `value`:
    `softmax(q k^T / sqrt(key_size)) v`. The heads side by side pass a last linear layer. From Vaswani et al. (2017),
    "Attention is all you need", section 3.2.2. There is dropout on the weights where the call asks for it.

    Parameters: `w` and `b` of the modules `query`, `key`, `value` and, for the output, `linear`.

    Args:
      num_heads: The number of heads.
      key_size: The size of a head's queries and keys.
      w_init_scale: The scale of a `VarianceScaling` for all matrices, in place of `w_init`.
      w_init: Makes all matrices; this or `w_init_scale` must be given.
      with_bias: Whether the linear layers add a bias.
      b_init: Makes the biases; zeros by default. Not used without bias.
      value_size: The size of a head's values; `key_size` by default.
      model_size: The size of the output; `num_heads * key_size` by default.
      name: The module's name.

    Raises:
      TypeError: a size is no integer.
      ValueError: a size is less than 1, or not just one of `w_init` and `w_init_scale` is given.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> def self_attention(x):
      ...     time = x.shape[-2]
      ...     causal = jnp.tril(jnp.ones([1, 1, time, time], bool))
      ...     attention = hk.MultiHeadAttention(num_heads=2, key_size=8, w_init_scale=1.0)
      ...     return attention(x, x, x, mask=causal)
      >>> forward = hk.transform(self_attention)
      >>> x = jnp.ones([3, 5, 16])
      >>> params = forward.init(jax.random.key(0), x)
      >>> forward.apply(params, x).shape
      (3, 5, 16)
    """

    def __init__(
        self,
        num_heads: int,
        key_size: int,
        w_init_scale: float | None = None,
        *,
        w_init: "Initializer | None" = None,
        with_bias: bool = True,
        b_init: "Initializer | None" = None,
        value_size: int | None = None,
        model_size: int | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)

        def size(argument: str, value: int) -> int:
            return _checks.size("MultiHeadAttention", argument, value, minimum=1)

        if w_init_scale is not None and w_init is None:
            w_init = VarianceScaling(w_init_scale)
        elif w_init_scale is not None or w_init is None:
            state = "both None" if w_init is None else "both given"
            raise ValueError(
                f"MultiHeadAttention: w_init and w_init_scale are {state}, expected one of the two: pass "
                f"w_init=hk.initializers.VarianceScaling(1.0), or another initializer, alone."
            )
        self.num_heads = size("num_heads", num_heads)
        self.key_size = size("key_size", key_size)
        self.value_size = self.key_size if value_size is None else size("value_size", value_size)
        self.model_size = self.num_heads * self.key_size if model_size is None else size("model_size", model_size)
        self.w_init = w_init
        self.with_bias = with_bias
        self.b_init = b_init

    def __call__(
        self,
        query: "Float[Array, '*batch queries query_in']",
        key: "Float[Array, '*batch keys key_in']",
        value: "Float[Array, '*batch keys value_in']",
        mask: "Shaped[Array, '*batch heads queries keys'] | None" = None,
        *,
        dropout_rate: "ArrayLike | None" = None,
        rng: "PRNGKey | None" = None,
    ) -> "Float[Array, '*batch queries model_size']":
        """Returns the output for each query, of shape `[*batch, queries, model_size]`.

        Args:
          query: Of shape `[*batch, queries, query_in]`.
          key: Of shape `[*batch, keys, key_in]`. Its batch axes may be missing or 1 where all queries share keys.
          value: Of shape `[*batch, keys, value_in]`, with the same batch axes as `key`.
          mask: True, or any number but 0, where a query may attend to a key: an array whose axes equal those of
            `[*batch, heads, queries, keys]` or are 1. A query that may attend to none attends to all equally.
          dropout_rate: The share of attention weights to set to zero, see `hk.dropout`. None for no dropout.
          rng: A random key, needed for dropout: `attention(x, x, x, dropout_rate=0.1, rng=hk.next_rng_key())`.

        Raises:
          TypeError: `query`, `key`, `value` or `mask` is no array of numbers.
          ValueError: their shapes do not fit together, or only one of `dropout_rate` and `rng` is given.
        """
        arrays = {"query": query, "key": key, "value": value}
        query, key, value = (self._checked(name, x) for name, x in arrays.items())
        self._check_shapes(query.shape, key.shape, value.shape)
        if (dropout_rate is None) != (rng is None):
            missing, given = ("rng", "dropout_rate") if rng is None else ("dropout_rate", "rng")
            raise ValueError(
                f"MultiHeadAttention: {missing} is None and {given} is given, expected both or neither. For dropout "
                f"call attention(q, k, v, dropout_rate=0.1, rng=hk.next_rng_key())."
            )

        def linear(size: int, name: str | None = None) -> Linear:
            return Linear(size, self.with_bias, self.w_init, self.b_init if self.with_bias else None, name=name)

        def heads(x: jax.Array, size: int, name: str) -> jax.Array:
            return linear(self.num_heads * size, name)(x).reshape(*x.shape[:-1], self.num_heads, size)

        q = heads(query, self.key_size, "query")
        k = heads(key, self.key_size, "key")
        v = heads(value, self.value_size, "value")
        if mask is not None:
            batch = jnp.broadcast_shapes(q.shape[:-3], k.shape[:-3])
            mask = self._checked_mask(mask, (*batch, self.num_heads, q.shape[-3], k.shape[-3]))
        weights = _weights(q, k, mask)
        if rng is not None and dropout_rate is not None:
            weights = dropout(rng, dropout_rate, weights)
        return linear(self.model_size)(_mixed(weights, v))

    def _checked(self, name: str, x: jax.Array) -> jax.Array:
        x = _checks.numbers("MultiHeadAttention", f"{name} of module {self.module_name!r}", x)
        if x.ndim < 2:
            raise ValueError(
                f"MultiHeadAttention: {name} of module {self.module_name!r} has shape {x.shape}, expected two axes or "
                f"more, [*batch, time, features]. Add the one that is missing with {name}[None]."
            )
        return x

    def _check_shapes(self, query: tuple[int, ...], key: tuple[int, ...], value: tuple[int, ...]) -> None:
        if key[:-1] != value[:-1]:
            raise ValueError(
                f"MultiHeadAttention: value of module {self.module_name!r} has shape {value}, expected "
                f"[{', '.join(map(str, key[:-1]))}, value_in] like key of shape {key}: one value for each key."
            )
        if not _checks.broadcasts(key[:-2], query[:-2]):
            raise ValueError(
                f"MultiHeadAttention: key of module {self.module_name!r} has shape {key}, expected [*batch, keys, "
                f"key_in] with the batch axes {query[:-2]} of query, or 1 or none where all queries share "
                f"keys. Where several keys share queries repeat these with jnp.broadcast_to."
            )

    def _checked_mask(self, mask: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        mask = _checks.numbers("MultiHeadAttention", f"mask of module {self.module_name!r}", mask)
        if mask.ndim != len(shape) or not _checks.broadcasts(mask.shape, shape):
            raise ValueError(
                f"MultiHeadAttention: mask of module {self.module_name!r} has shape {mask.shape}, expected {shape}, "
                f"[*batch, heads, queries, keys], with 1 where an axis shares values. Add the axes that are missing: "
                f"mask[..., None, :, :] for all heads."
            )
        return mask.astype(bool)


@traced_once()
def _weights(q: jax.Array, k: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Returns the weight of each key for each query, `[*batch, heads, queries, keys]`."""
    logits = jnp.einsum("...qhd,...khd->...hqk", q, k) / math.sqrt(q.shape[-1])
    if mask is not None:
        logits = jnp.where(mask, logits, max(_MASKED, float(jnp.finfo(logits.dtype).min)))
    return jax.nn.softmax(logits)


@traced_once()
def _mixed(weights: jax.Array, v: jax.Array) -> jax.Array:
    """Returns the weighted values of all heads, side by side on the last axis."""
    out = jnp.einsum("...hqk,...khd->...qhd", weights, v)
    return out.reshape(*out.shape[:-2], out.shape[-2] * out.shape[-1])
