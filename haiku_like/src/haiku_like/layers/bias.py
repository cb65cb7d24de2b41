"""A bias on its own."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from haiku_like import _checks
from haiku_like._core.module import Module
from haiku_like._core.variables import get_parameter

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Shaped

    from haiku_like.typing import Initializer


class Bias(Module):
    """Adds a bias: `y = x + b`, with one value of `b` for each index along the axes that it has.

    Parameter: `b`, by default of the shape of the inputs without their first axis.

    Args:
      output_size: The shape of the inputs without their first axis, to be checked; an integer for inputs with two
        axes. None for any.
      bias_dims: The axes along which the bias differs. None for all but the first; `[-1]` for the last alone, such
        as the channels of images; `[]` for a single number. Along the other axes all elements share a value.
      b_init: Makes `b`; zeros by default.
      name: The module's name.

    Attributes:
      bias_shape: The shape of `b`; None until the first call.
      input_size: The shape of the inputs without their first axis; not there until the first call.

    Raises:
      TypeError: `output_size` or `bias_dims` holds something else than integers.
      ValueError: `output_size` holds a negative number.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> images = jnp.ones([8, 32, 32, 3])
      >>> forward = hk.transform(lambda x: hk.Bias(bias_dims=[-1])(x))
      >>> params = forward.init(None, images)
      >>> jax.tree.map(jnp.shape, params)
      {'bias': {'b': (3,)}}
    """

    def __init__(
        self,
        output_size: int | Sequence[int] | None = None,
        bias_dims: Sequence[int] | None = None,
        b_init: "Initializer | None" = None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        if output_size is not None:
            sizes = output_size if isinstance(output_size, Iterable) else [output_size]
            output_size = tuple(_checks.size("Bias", "output_size", size) for size in sizes)
        if bias_dims is not None:
            bias_dims = _checks.sequence("Bias", "bias_dims", bias_dims, "[-1]")
            if not all(isinstance(axis, (int, np.integer)) for axis in bias_dims):
                raise TypeError(f"Bias: bias_dims is {list(bias_dims)}, expected integers, such as [-1].")
        self.output_size = output_size
        self.bias_dims = bias_dims
        self.b_init = b_init or jnp.zeros
        self.bias_shape: tuple[int, ...] | None = None

    def __call__(
        self, inputs: "Shaped[Array, 'batch *sizes']", multiplier: "ArrayLike | None" = None
    ) -> "Shaped[Array, 'batch *sizes']":
        """Returns `inputs + b`, or `inputs + b * multiplier`.

        Args:
          inputs: Of shape `[batch, ...]`, with two axes or more; the bias is created in their dtype.
          multiplier: A number or an array that broadcasts to the shape of `inputs`, such as -1 to take the bias away
            again.

        Raises:
          TypeError: `inputs` is no array of numbers.
          ValueError: `inputs` has fewer than two axes or another shape than `output_size`; an axis in `bias_dims` is
            not one of `inputs` or is the first; or `multiplier` does not broadcast.
        """
        inputs = _checks.numbers("Bias", f"inputs of module {self.module_name!r}", inputs)
        shape = inputs.shape
        if len(shape) < 2:
            raise ValueError(
                f"Bias: inputs of module {self.module_name!r} has shape {shape}, expected two axes or more, "
                f"[batch, ...]. Add a batch axis with inputs[None]."
            )
        if self.output_size not in (None, shape[1:]):
            raise ValueError(
                f"Bias: inputs of module {self.module_name!r} has shape {shape}, expected [batch, "
                f"{', '.join(map(str, self.output_size))}] after output_size={self.output_size}. Leave output_size out "
                f"to take any shape."
            )
        self.input_size = shape[1:]
        self.bias_shape = self._bias_shape(shape)
        b = get_parameter("b", self.bias_shape, inputs.dtype, init=self.b_init)
        b = jnp.broadcast_to(b, shape)
        if multiplier is not None:
            b = b * self._as_multiplier(multiplier, shape)
        return inputs + b

    def _bias_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if self.bias_dims is None:
            return shape[1:]
        ndim = len(shape)
        axes = set()
        for axis in self.bias_dims:
            if not 1 <= (axis + ndim if axis < 0 else axis) < ndim:
                raise ValueError(
                    f"Bias: bias_dims of module {self.module_name!r} is {list(self.bias_dims)}, expected axes of the "
                    f"inputs of shape {shape} other than the first, which is the batch: 1 to {ndim - 1}, or -1 to "
                    f"{1 - ndim}."
                )
            axes.add(axis % ndim)
        return tuple(shape[i] if i in axes else 1 for i in range(min(axes, default=ndim), ndim))

    def _as_multiplier(self, multiplier: "ArrayLike", shape: tuple[int, ...]) -> "ArrayLike":
        found = jnp.shape(multiplier)
        if not found:
            return multiplier
        if not _checks.broadcasts(found, shape):
            raise ValueError(
                f"Bias: multiplier of module {self.module_name!r} has shape {found}, expected a number or a shape that "
                f"broadcasts to that of inputs, {shape}. Add axes of size 1 where it shares values."
            )
        return jnp.broadcast_to(jnp.asarray(multiplier), shape)
