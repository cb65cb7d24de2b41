"""Normalization by the root mean square."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax.numpy as jnp

from haiku_like._core.module import Module
from haiku_like.layers._normalize import (
    array_of_floats,
    axis_argument,
    check_init,
    moments,
    normalize,
    normalized_axes,
    parameter_shape,
    result_dtype,
    scale_or_offset,
)

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float

    from haiku_like.typing import Initializer


class RMSNorm(Module):
    """Gives mean square 1 along some axes of each example: `x / sqrt(E[x^2] + eps) * scale`.

    The mean is worked out in float32 at least. From Zhang and Sennrich (2019), "Root mean square layer
    normalization", https://arxiv.org/abs/1910.07467, equation 4.

    Parameters: `scale`, if created, of shape `[size of the last axis]`; with another `param_axis` of the shape of the
    inputs with 1 for every other axis.

    Args:
      axis: The axes to normalize along: an integer, a slice or a sequence.
      eps: Added to the mean square.
      scale_init: Makes `scale`; ones by default.
      name: The module's name.
      create_scale: Whether there is a parameter `scale`.
      param_axis: The axes along which `scale` differs; the last one by default.

    Raises:
      TypeError: `axis` or `param_axis` is of another type.
      ValueError: `scale_init` is given and `create_scale` is false.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.RMSNorm(axis=-1)(x))
      >>> x = jnp.array([[3.0, -3.0], [1.0, 7.0]])
      >>> params = forward.init(None, x)
      >>> jnp.allclose(forward.apply(params, x), jnp.array([[1.0, -1.0], [0.2, 1.4]]), atol=1e-5).item()
      True
    """

    def __init__(
        self,
        axis: int | slice | Sequence[int],
        eps: "ArrayLike" = 1e-5,
        scale_init: "Initializer | None" = None,
        name: str | None = None,
        create_scale: bool = True,
        *,
        param_axis: int | slice | Sequence[int] | None = None,
    ):
        super().__init__(name=name)
        check_init("RMSNorm", "scale", create_scale, scale_init)
        self.axis = axis_argument("RMSNorm", "axis", axis)
        self.eps = eps
        self.create_scale = create_scale
        self.scale_init = scale_init or jnp.ones
        self.param_axis = (-1,) if param_axis is None else axis_argument("RMSNorm", "param_axis", param_axis)

    def __call__(self, inputs: "Float[Array, '...']") -> "Float[Array, '...']":
        """Returns the normalized inputs.

        Args:
          inputs: An array with all the axes of `axis`.

        Raises:
          TypeError: `inputs` is no array of floats.
          ValueError: `axis` or `param_axis` does not fit `inputs`, or `axis` names no axis of it or one of size 0.
        """
        inputs = array_of_floats("RMSNorm", self.module_name, "inputs", inputs)
        axes = normalized_axes("RMSNorm", self.module_name, "inputs", self.axis, inputs.shape)
        _, mean_of_squares = moments(inputs, axes)
        shape = parameter_shape("RMSNorm", self.param_axis, inputs.shape)
        scale = scale_or_offset("RMSNorm", "scale", self.create_scale, None, self.scale_init, shape, inputs)
        return normalize(inputs, None, mean_of_squares, self.eps, scale, None, result_dtype(inputs, scale))
