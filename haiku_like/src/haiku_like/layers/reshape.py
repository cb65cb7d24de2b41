"""Layers that change an array's shape and hold no parameters."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from haiku_like import _checks
from haiku_like._core.module import Module


class Reshape(Module):
    """Reshapes all but the leading axes.

    Args:
      output_shape: The new shape of the rest; one size may be -1 and is then worked out.
      preserve_dims: How many leading axes to keep. A negative number counts the axes to reshape from the end:
        -2 reshapes the last two.
      name: The module's name.

    Raises:
      ValueError: `preserve_dims` is 0, or `output_shape` has more than one -1.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> image = hk.transform(lambda x: hk.Reshape([2, -1])(x))
      >>> image.apply({}, jnp.ones([5, 12])).shape
      (5, 2, 6)
    """

    def __init__(self, output_shape: Sequence[int], preserve_dims: int = 1, name: str | None = None):
        super().__init__(name=name)
        if preserve_dims == 0:
            raise ValueError(
                f"{type(self).__name__}: preserve_dims is 0, expected another integer. To reshape a whole array call "
                f"jnp.reshape, or count the axes from the end with a negative number."
            )
        output_shape = _checks.sequence(type(self).__name__, "output_shape", output_shape, "[6, -1]")
        if output_shape.count(-1) > 1 or any(size < -1 for size in output_shape):
            raise ValueError(
                f"{type(self).__name__}: output_shape is {output_shape}, expected sizes, of which at most one is -1."
            )
        self.output_shape = output_shape
        self.preserve_dims = preserve_dims

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Returns `inputs` reshaped; an array with no axis to reshape comes back as it is.

        Raises:
          ValueError: the sizes do not fit.
        """
        inputs = jnp.asarray(inputs)
        if inputs.ndim <= self.preserve_dims:
            return inputs
        kept = inputs.shape[: self.preserve_dims]
        rest = inputs.shape[self.preserve_dims :]
        size, target = math.prod(rest), math.prod(n for n in self.output_shape if n != -1)
        fits = target > 0 and size % target == 0 if -1 in self.output_shape else size == target
        if not fits:
            raise ValueError(
                f"{type(self).__name__}: inputs of module {self.module_name!r} has shape {inputs.shape}, of which "
                f"{rest} is reshaped, expected sizes that multiply to those of output_shape={self.output_shape}."
            )
        shape = tuple(size // target if n == -1 else n for n in self.output_shape)
        return jnp.reshape(inputs, kept + shape)


class Flatten(Reshape):
    """Joins all but the leading axes into one.

    Args:
      preserve_dims: How many leading axes to keep; a negative number counts the axes to join from the end.
      name: The module's name.

    Raises:
      ValueError: `preserve_dims` is 0.

    Example:
      >>> import haiku_like as hk, jax.numpy as jnp
      >>> flat = hk.transform(lambda x: hk.Flatten()(x))
      >>> flat.apply({}, jnp.ones([5, 2, 3])).shape
      (5, 6)
    """

    def __init__(self, preserve_dims: int = 1, name: str | None = None):
        super().__init__((-1,), preserve_dims, name)
