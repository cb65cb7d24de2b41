"""Returns: what a state turns out to be worth, from the rewards that follow and the values that stand in for the rest.

Arguments are `[T, *B]`, time first. Element t of each belongs to one step: `r_t` is its reward, `discount_t` is gamma,
and 0 where the episode ended, `v_t` is the value of the state that it reaches. Where `truncated_t` is true, the episode
was cut and another one follows: the step bootstraps from its own `v_t`, the value of the last state that was seen, as
the last step of the sequence does. So episodes that are joined have the returns that each has alone.
"""

import functools
import operator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from rlax_like import _sequences
from rlax_like._gradients import stop_gradient_if
from rlax_like._precision import widen
from rlax_like._sequences import cut
from rlax_like.recurrence import along_time, solve

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Bool, Float, Real


def lambda_returns(
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    v_t: "Real[ArrayLike, 'T *B']",
    lambda_: "Real[ArrayLike, 'T *B']" = 1.0,
    stop_target_gradients: bool = False,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns `G_t = r_t + discount_t ((1 - lambda_) v_t + lambda_ G_{t+1})`, with `v_t` in place of G at the end.

    The mean of the n-step returns with weights that fall by lambda. Sutton (1988), "Learning to predict by the methods
    of temporal differences"; Sutton and Barto (2018), eq. 12.18.

    Args:
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      v_t: Values of the states reached, `[T, *B]`.
      lambda_: From 0, the next value alone, to 1, all the rewards: a number, `[T]` or `[T, *B]`.
      stop_target_gradients: Whether gradients stop at the returns.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real, or `truncated_t` not boolean.
      ValueError: the shapes do not fit, or there is no step.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> r_t, v_t = jnp.array([1.0, 2.0]), jnp.array([4.0, 8.0])
      >>> rlax.lambda_returns(r_t, 0.5, v_t, lambda_=0.5)
      Array([3.5, 6. ], dtype=float32)
    """
    name = "lambda_returns"
    dtype, arrays = _sequences.narrow_reals(name, r_t=r_t, discount_t=discount_t, v_t=v_t, lambda_=lambda_)
    return stop_gradient_if(stop_target_gradients, _lambda_returns(name, *arrays, truncated_t=truncated_t)).astype(
        dtype
    )


def discounted_returns(
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    v_t: "Real[ArrayLike, 'T *B']",
    stop_target_gradients: bool = False,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns `G_t = r_t + discount_t G_{t+1}`, with `v_t` in place of G at the end.

    Sutton and Barto (2018), eq. 3.9.

    Args:
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      v_t: Values of the states reached, `[T, *B]` or a number. Only the last one counts, and those at truncations.
      stop_target_gradients: Whether gradients stop at the returns.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real, or `truncated_t` not boolean.
      ValueError: the shapes do not fit, or there is no step.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.discounted_returns(jnp.array([1.0, 2.0]), 0.5, 8.0)
      Array([4., 6.], dtype=float32)
    """
    name = "discounted_returns"
    dtype, (r_t, discount_t, v_t) = _sequences.narrow_reals(name, r_t=r_t, discount_t=discount_t, v_t=v_t)
    v_t = v_t if v_t.ndim else jnp.broadcast_to(v_t, r_t.shape)
    returns = _lambda_returns(name, r_t, discount_t, v_t, widen(jnp.ones((), r_t.dtype)), truncated_t)
    return stop_gradient_if(stop_target_gradients, returns).astype(dtype)


def n_step_bootstrapped_returns(
    r_t: "Real[ArrayLike, 'T *B']",
    discount_t: "Real[ArrayLike, 'T *B']",
    v_t: "Real[ArrayLike, 'T *B']",
    n: int,
    lambda_t: "Real[ArrayLike, 'T *B']" = 1.0,
    stop_target_gradients: bool = False,
    *,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None" = None,
) -> "Float[Array, 'T *B']":
    """Returns the lambda-returns that take `n` steps and then bootstrap; with `lambda_t = 1`, the n-step returns.

    `G_t = r_t + discount_t r_{t+1} + ... + discount_t ... discount_{t+n-1} v_{t+n-1}`, of fewer steps where the
    sequence ends before. Sutton and Barto (2018), eq. 7.1, and 12.9 for a lambda-return that ends at a horizon.

    Args:
      r_t: Rewards, `[T, *B]`.
      discount_t: Discounts, `[T, *B]` or a number.
      v_t: Values of the states reached, `[T, *B]`.
      n: The number of steps, at least 1.
      lambda_t: As in `lambda_returns`: a number, `[T]` or `[T, *B]`.
      stop_target_gradients: Whether gradients stop at the returns.
      truncated_t: Booleans, `[T, *B]`: where an episode was cut after the step. None for nowhere.

    Returns:
      `[T, *B]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an argument is not real, or `truncated_t` not boolean, or `n` not an integer.
      ValueError: the shapes do not fit, there is no step, or `n` is less than 1.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> r_t, v_t = jnp.array([1.0, 2.0, 3.0]), jnp.array([4.0, 8.0, 16.0])
      >>> rlax.n_step_bootstrapped_returns(r_t, 0.5, v_t, n=2)
      Array([ 4. ,  7.5, 11. ], dtype=float32)
    """
    name = "n_step_bootstrapped_returns"
    dtype, (r_t, discount_t, v_t, lambda_t) = _sequences.reals(
        name, r_t=r_t, discount_t=discount_t, v_t=v_t, lambda_t=lambda_t
    )
    returns = _n_step_returns(name, r_t, discount_t, v_t, n, lambda_t, truncated_t)
    return stop_gradient_if(stop_target_gradients, returns).astype(dtype)


def _lambda_returns(
    name: str,
    r_t: jax.Array,
    discount_t: jax.Array,
    v_t: jax.Array,
    lambda_: jax.Array,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None",
) -> jax.Array:
    """`lambda_returns` of arrays that are arguments of the function of this name."""
    inputs = _lambda_inputs(name, r_t, discount_t, v_t, truncated_t, lambda_=lambda_)
    return solve(_lambda_step, inputs, v_t[-1])


def _lambda_errors(
    name: str,
    predictions: jax.Array,
    r_t: jax.Array,
    discount_t: jax.Array,
    v_t: jax.Array,
    lambda_: jax.Array,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None",
    stop_target_gradients: bool,
) -> jax.Array:
    """`_lambda_returns` less predictions."""
    inputs = _lambda_inputs(name, r_t, discount_t, v_t, truncated_t, lambda_=lambda_)
    return _sequences.errors(_lambda_step, inputs, predictions, stop_target_gradients, v_t[-1])


def _n_step_returns(
    name: str,
    r_t: jax.Array,
    discount_t: jax.Array,
    v_t: jax.Array,
    n: int,
    lambda_t: jax.Array,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None",
) -> jax.Array:
    """`n_step_bootstrapped_returns` of arrays that are arguments of the function of this name."""
    try:
        n = operator.index(n)
    except TypeError as error:
        raise TypeError(
            f"{name}: n must be an integer, got {n!r}. The program depends on it: do not trace it."
        ) from error
    if n < 1:
        raise ValueError(f"{name}: n is {n}, expected at least 1.")
    inputs = _lambda_inputs(name, r_t, discount_t, v_t, truncated_t, lambda_t=lambda_t)
    num_windows = len(r_t) - n + 1
    if num_windows <= 0:
        return solve(_lambda_step, inputs, v_t[-1])

    def from_step(k: "ArrayLike") -> tuple[Any, ...]:
        """Returns the inputs of the step that each window has in place k."""
        slice_of = functools.partial(jax.lax.dynamic_slice_in_dim, start_index=k, slice_size=num_windows)
        return tuple(slice_of(x) if x is not None and x.ndim else x for x in inputs)

    def step_back(x: jax.Array, k: "ArrayLike") -> tuple[jax.Array, None]:
        a, b = _lambda_step(*from_step(k))
        return b + a * x, None

    # The first one apart: within shard_map, a state that the loop starts from must vary as those do that it makes.
    first, _ = step_back(v_t[n - 1 :], n - 1)
    # Four passes become one over memory. Eight would, too, but XLA computes anew for each what `v_t` was made of.
    whole, _ = jax.lax.scan(step_back, first, jnp.arange(n - 1), reverse=True, unroll=4)
    # Windows that the end cuts short are lambda-returns.
    last = tuple(x[num_windows:] if x is not None and x.ndim else x for x in inputs)
    return whole if n == 1 else jnp.concatenate([whole, solve(_lambda_step, last, v_t[-1])])


def _lambda_inputs(
    name: str,
    r_t: jax.Array,
    discount_t: jax.Array,
    v_t: jax.Array,
    truncated_t: "Bool[ArrayLike, 'T *B'] | None",
    **lambda_: jax.Array,
) -> tuple[Any, ...]:
    """The inputs of `_lambda_step`, once they are checked. The one keyword is lambda, by the name that users know."""
    (truncated,) = _sequences.booleans(name, truncated_t=truncated_t)
    ((lambda_name, weight),) = lambda_.items()
    _sequences.fit(
        name,
        r_t=(r_t, "T *B"),
        discount_t=(discount_t, "T *B|"),
        v_t=(v_t, "T *B"),
        **{lambda_name: (weight, "T *B|T|")},
        truncated_t=(truncated, "T *B"),
    )
    return r_t, discount_t, v_t, along_time(weight, r_t.ndim), truncated


def _lambda_step(
    r_t: jax.Array, discount_t: jax.Array, v_t: jax.Array, lambda_: jax.Array, truncated_t: jax.Array | None
) -> tuple[jax.Array, jax.Array]:
    lambda_ = cut(lambda_, truncated_t)
    return discount_t * lambda_, r_t + discount_t * (1 - lambda_) * v_t
