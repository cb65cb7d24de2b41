"""Embeddings of what an agent last saw, did and got."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._shapes import fit

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Int, Real


def embed_oar(
    features: "Real[ArrayLike, '*B D']",
    action: "Int[ArrayLike, '*B']",
    reward: "Real[ArrayLike, '*B']",
    num_actions: int,
) -> "Float[Array, '*B E']":
    """Returns features of the observation, the action as a one-hot vector, and the tanh of the reward, end to end.

    Kapturowski et al. (2019), "Recurrent experience replay in distributed reinforcement learning", section 2.3.

    Args:
      features: Features of the observation, `[*B, D]`.
      action: The action before it, integers `[*B]`; one outside the `num_actions` gives zeros.
      reward: The reward that came with it, `[*B]`.
      num_actions: The number of actions.

    Returns:
      `[*B, D + num_actions + 1]`, in the dtype that features and rewards promote to.

    Raises:
      TypeError: `action` is not of an integer dtype, or another argument not real.
      ValueError: the shapes do not fit, or `num_actions` is negative.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.embed_oar(jnp.array([0.5, -0.5]), action=1, reward=0.0, num_actions=2)
      Array([ 0.5, -0.5,  0. ,  1. ,  0. ], dtype=float32)
    """
    name = "embed_oar"
    features, reward = _checks.reals(name, features=features, reward=reward)
    (action,) = _checks.integers(name, action=action)
    fit(name, features=(features, "*B D"), action=(action, "*B"), reward=(reward, "*B"))
    if num_actions < 0:
        raise ValueError(f"{name}: num_actions is {num_actions}, expected 0 or more.")
    one_hot = jax.nn.one_hot(action, num_actions, dtype=features.dtype)
    return jnp.concatenate([features, one_hot, jnp.tanh(reward)[..., None]], axis=-1)
