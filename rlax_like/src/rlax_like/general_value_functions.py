"""General value functions: rewards made of the observations themselves, and learning to control them.

Sutton et al. (2011), "Horde"; Jaderberg et al. (2017), "Reinforcement learning with unsupervised auxiliary tasks",
arXiv:1611.05397. Arrays have time first, one step more than there are rewards, then any batch.
"""

from typing import TYPE_CHECKING, Literal

import jax.numpy as jnp

from rlax_like import _checks
from rlax_like._precision import wide_reals, widen
from rlax_like._shapes import fit
from rlax_like.losses import l2_loss
from rlax_like.multistep_td import q_lambda

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float, Int, Real

Cumulant = Literal["feature", "absolute_change", "increase", "decrease", "potential"]


def pixel_control_rewards(
    observations: "Real[ArrayLike, 'T+1 *B H W C']", cell_size: int
) -> "Float[Array, 'T *B H/c W/c']":
    """Returns the mean change of each cell of an image: `mean |observations_t - observations_tm1|` over its pixels.

    Jaderberg et al. (2017), arXiv:1611.05397, section 3.1 and appendix.

    Args:
      observations: Images, `[T + 1, *B, H, W, C]`.
      cell_size: The height and width `c` of the cells, in pixels; it divides `H` and `W`.

    Returns:
      Rewards, `[T, *B, H / c, W / c]`, in the dtype of the images, float32 for integers.

    Raises:
      TypeError: `observations` is not real.
      ValueError: `observations` has too few axes, or `cell_size` does not divide its height and width.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> images = jnp.stack([jnp.zeros([2, 4, 1]), jnp.zeros([2, 4, 1]).at[0, 0].set(1.0)])
      >>> rlax.pixel_control_rewards(images, cell_size=2)
      Array([[[0.25, 0.  ]]], dtype=float32)
    """
    name = "pixel_control_rewards"
    (images,) = _checks.reals(name, observations=observations)
    fit(name, observations=(images, "T+1 *B H W C"))
    *batch, height, width, channels = images.shape
    if cell_size < 1 or height % cell_size or width % cell_size:
        raise ValueError(
            f"{name}: cell_size is {cell_size}, expected a divisor of the height {height} and the width {width} of "
            f"observations of shape {images.shape}."
        )
    cells = (*batch, height // cell_size, cell_size, width // cell_size, cell_size, channels)
    change = jnp.abs(jnp.diff(widen(images.reshape(cells)), axis=0))
    return jnp.mean(change, axis=(-4, -2, -1)).astype(images.dtype)


def pixel_control_loss(
    observations: "Real[ArrayLike, 'T+1 *B H W C']",
    actions: "Int[ArrayLike, 'T *B']",
    action_values: "Real[ArrayLike, 'T+1 *B H/c W/c A']",
    discount_factor: "Real[ArrayLike, 'T *B']",
    cell_size: int,
) -> "Float[Array, 'T *B H/c W/c']":
    """Returns the loss of learning to change each cell of an image: half the squared error of multistep Q-learning.

    The rewards are `pixel_control_rewards`, the targets the returns to the end of the sequence, where the best action
    follows. No gradient flows through them. Jaderberg et al. (2017), arXiv:1611.05397, section 3.1.

    Args:
      observations: Images, `[T + 1, *B, H, W, C]`.
      actions: Actions taken, integers `[T, *B]`; one outside the `A` actions gives NaN.
      action_values: The value of each action for each cell, `[T + 1, *B, H / c, W / c, A]`.
      discount_factor: Discounts, a number, `[T]` or `[T, *B]`.
      cell_size: The height and width `c` of the cells, in pixels; it divides `H` and `W`.

    Returns:
      `[T, *B, H / c, W / c]`, in the dtype that the floating arguments promote to.

    Raises:
      TypeError: an action is not an integer, or another argument not real.
      ValueError: the shapes do not fit, or `cell_size` does not divide height and width.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> images = jnp.stack([jnp.zeros([2, 2, 1]), jnp.ones([2, 2, 1])])
      >>> rlax.pixel_control_loss(images, jnp.array([0]), jnp.zeros([2, 1, 1, 3]), 0.9, cell_size=2)
      Array([[[0.5]]], dtype=float32)
    """
    name = "pixel_control_loss"
    dtype, (values, discount) = wide_reals(name, action_values=action_values, discount_factor=discount_factor)
    (actions,) = _checks.integers(name, actions=actions)
    rewards = pixel_control_rewards(observations, cell_size)
    if jnp.issubdtype(jnp.result_type(observations), jnp.floating):
        dtype = jnp.promote_types(dtype, rewards.dtype)
    fit(
        name,
        action_values=(values[1:], "T *B H/c W/c A"),
        actions=(actions, "T *B"),
        discount_factor=(discount, "|T|T *B"),
        **{"pixel_control_rewards(observations)": (rewards, "T *B H/c W/c")},
    )
    per_cell = rewards.shape
    actions, discount = (
        jnp.broadcast_to(x.reshape(x.shape + (1,) * (len(per_cell) - x.ndim)), per_cell) for x in (actions, discount)
    )
    error = q_lambda(values[:-1], actions, widen(rewards), discount, values[1:], lambda_=1.0)
    return l2_loss(error).astype(dtype)


def feature_control_rewards(
    features: "Real[ArrayLike, 'T+1 *B D']",
    cumulant_type: Cumulant = "absolute_change",
    discount: "Real[ArrayLike, ''] | None" = None,
) -> "Float[Array, 'T *B D']":
    """Returns rewards made of each feature: itself, its change, or its potential-based change.

    Jaderberg et al. (2017), arXiv:1611.05397, section 3.1; the potential, Ng et al. (1999), "Policy invariance under
    reward transformations".

    Args:
      features: Features, `[T + 1, *B, D]`.
      cumulant_type: With `f` a feature before and `f'` after the step: "feature" for `f'`, "absolute_change" for
        `|f' - f|`, "increase" for `f' - f`, "decrease" for `f - f'`, "potential" for `discount f' - f`.
      discount: A number, for "potential" alone.

    Returns:
      `[T, *B, D]`, in the dtype of the features, float32 for integers.

    Raises:
      TypeError: an argument is not real.
      ValueError: `features` has too few axes, `cumulant_type` is unknown, or `discount` is missing.

    Example:
      >>> import jax.numpy as jnp, rlax_like as rlax
      >>> rlax.feature_control_rewards(jnp.array([[1.0, 2.0], [3.0, 0.5]]))
      Array([[2. , 1.5]], dtype=float32)
    """
    name = "feature_control_rewards"
    (features,) = _checks.reals(name, features=features)
    fit(name, features=(features, "T+1 *B D"))
    before, after = features[:-1], features[1:]
    if cumulant_type == "feature":
        return after
    if cumulant_type == "absolute_change":
        return jnp.abs(after - before)
    if cumulant_type == "increase":
        return after - before
    if cumulant_type == "decrease":
        return before - after
    if cumulant_type != "potential":
        raise ValueError(
            f"{name}: cumulant_type is {cumulant_type!r}, expected 'feature', 'absolute_change', 'increase', "
            f"'decrease' or 'potential'."
        )
    if discount is None:
        raise ValueError(f"{name}: discount is None, expected a number: cumulant_type 'potential' needs it.")
    (discount_array,) = _checks.reals(name, discount=discount)
    fit(name, discount=(discount_array, ""))
    return discount_array.astype(features.dtype) * after - before
