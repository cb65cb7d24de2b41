"""Exponential moving averages of the mean and the variance of a tree of arrays."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._precision import widen
from rlax_like._records import Record, record


@record
class EmaMoments(Record):
    """Mean and variance, each a tree of numbers.

    Attributes:
      mean: One number for each array of the tree.
      variance: Likewise; not negative.

    Example:
      >>> import rlax_like as rlax
      >>> rlax.EmaMoments(mean=1.0, variance=4.0).to_tuple()
      (1.0, 4.0)
    """

    mean: Any
    variance: Any


@record
class EmaState(Record):
    """What a moving average keeps.

    Attributes:
      mu: The sum of the means seen, each with its weight, a tree of numbers.
      nu: The variance around the debiased mean, times the sum of the weights, likewise. It is not the mean of the
        square, whose difference from the square of the mean would be lost to rounding.
      decay_product: 1 less the sum of the weights, a number; 1 before the first update.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> init, update = rlax.create_ema(decay=0.5)
      >>> init(jnp.zeros(3)).debiased_moments()
      EmaMoments(mean=Array(0., dtype=float32), variance=Array(0., dtype=float32))
    """

    mu: Any
    nu: Any
    decay_product: jax.Array

    def debiased_moments(self) -> EmaMoments:
        """Returns mean and variance of what was seen, without a bias to the start at 0; 0 if nothing was."""
        return EmaMoments(*(_debiased(tree, 1 - self.decay_product) for tree in (self.mu, self.nu)))


def create_ema(
    decay: float = 0.999, pmean_axis_name: str | None = None
) -> tuple[Callable[[Any], EmaState], Callable[[Any, EmaState], tuple[EmaMoments, EmaState]]]:
    """Returns `init` and `update` of a moving average of the mean and variance over all elements of each array.

    An array seen `k` updates ago has the weight `(1 - decay) decay^k`; the bias to the start at 0 is divided out, as by
    Kingma and Ba (2015), arXiv:1412.6980, section 3. The variance is updated around the mean, and so keeps its
    precision where the mean is large: West (1979), "Updating mean and variance estimates: an improved method".

    Args:
      decay: In [0, 1), a number. A traced one is not checked.
      pmean_axis_name: The name of an axis of `jax.vmap` or `jax.pmap` over which the arrays are split, or None.

    Returns:
      `init(template_tree)` gives the state before the first update. `update(tree, state)` gives the moments after an
      update, and the state. State and moments are in float32, or in the dtype of the arrays if that is wider.

    Raises:
      TypeError: an array of a tree is not real.
      ValueError: `decay` is outside [0, 1), or a tree has another structure than the state.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> init, update = rlax.create_ema(decay=0.5)
      >>> x = jnp.array([9999.0, 10001.0])
      >>> moments, state = update(x, init(x))
      >>> moments.mean, moments.variance
      (Array(10000., dtype=float32), Array(1., dtype=float32))
    """
    name = "create_ema"
    _checks.within(name, lambda d: (d >= 0) & (d < 1), "a number in [0, 1)", decay=decay)

    def init(template_tree: Any) -> EmaState:
        zeros = jax.tree.map(lambda x: jnp.zeros((), widen(*_checks.reals(name, tree=x)).dtype), template_tree)
        return EmaState(mu=zeros, nu=zeros, decay_product=jnp.ones(()))

    def mean(x: jax.Array) -> jax.Array:
        local = jnp.mean(x)
        return local if pmean_axis_name is None else jax.lax.pmean(local, pmean_axis_name)

    def update(tree: Any, state: EmaState) -> tuple[EmaMoments, EmaState]:
        if jax.tree.structure(tree) != jax.tree.structure(state.mu):
            raise ValueError(
                f"{name}: tree has the structure {jax.tree.structure(tree)}, expected that of the state, "
                f"{jax.tree.structure(state.mu)}. Make the state with init(tree)."
            )
        # All weights derive from the same rounded numbers, so that they sum to 1 - decay_product without an error.
        rate = jnp.asarray(decay, state.decay_product.dtype)
        decay_product = state.decay_product * rate
        share = (1 - rate) / (1 - decay_product)
        old = state.debiased_moments()

        def step(x: Any, old_mean: jax.Array, old_variance: jax.Array) -> tuple[jax.Array, jax.Array]:
            x = widen(*_checks.reals(name, tree=x))
            center = mean(x)
            distance = center - old_mean
            variance = mean(jnp.square(x - center))
            new_variance = (1 - share) * (old_variance + share * jnp.square(distance)) + share * variance
            return old_mean + share * distance, new_variance

        leaves, structure = jax.tree.flatten(tree)
        pairs = map(step, leaves, jax.tree.leaves(old.mean), jax.tree.leaves(old.variance))
        means, variances = (structure.unflatten(part) for part in zip(*pairs, strict=True))
        moments = EmaMoments(mean=means, variance=variances)
        mu, nu = (jax.tree.map(lambda x: x * (1 - decay_product), part) for part in (means, variances))
        return moments, EmaState(mu=mu, nu=nu, decay_product=decay_product)

    return init, update


def _debiased(tree: Any, total: jax.Array) -> Any:
    return jax.tree.map(lambda x: jnp.where(total > 0, x / jnp.where(total > 0, total, 1), 0), tree)
