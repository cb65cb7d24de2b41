"""Class numbers as vectors of zeros with a single one."""

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from haiku_like import _checks

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Shaped


def one_hot(x: "ArrayLike", num_classes: int, dtype: Any = jnp.float32) -> "Shaped[Array, '*batch classes']":
    """Returns an array that is one where its last index equals `x`, and zero elsewhere: `y[..., c] = (x == c)`.

    Args:
      x: Class numbers of any shape. One that is not in `[0, num_classes)` gives zeros alone.
      num_classes: The number of classes.
      dtype: The dtype of the result.

    Returns:
      An array of shape `[*x.shape, num_classes]`.

    Raises:
      TypeError: `num_classes` is no integer.
      ValueError: `num_classes` is negative.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> hk.one_hot(jnp.array([2, 0, -1]), 3)
      Array([[0., 0., 1.],
             [1., 0., 0.],
             [0., 0., 0.]], dtype=float32)
    """
    num_classes = _checks.size("one_hot", "num_classes", num_classes)
    x = jnp.asarray(x)
    # The dtype of x may be too narrow to hold or to tell apart all classes, as uint8 and bfloat16 are.
    dtype_of_classes = jnp.result_type(x, jnp.float32 if jnp.issubdtype(x.dtype, jnp.floating) else jnp.int32)
    classes = jnp.arange(num_classes, dtype=dtype_of_classes).reshape((1,) * x.ndim + (num_classes,))
    return (x.astype(dtype_of_classes)[..., None] == classes).astype(dtype)
