"""The fully connected layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from haiku_like import _checks
from haiku_like._core.module import Module
from haiku_like._core.variables import get_parameter
from haiku_like._traced_once import traced_once
from haiku_like.initializers import TruncatedNormal

if TYPE_CHECKING:
    from jaxtyping import Array, Float

    from haiku_like.typing import Initializer


class Linear(Module):
    """Multiplies by a matrix and adds a bias, along the last axis: `y = x w + b`.

    Parameters: `w` of shape `[inputs, output_size]`, and `b` of shape `[output_size]`.

    Args:
      output_size: The size of the last axis of the output.
      with_bias: Whether to add `b`.
      w_init: Makes `w`; by default a normal with deviation `1 / sqrt(inputs)`, cut at two deviations.
      b_init: Makes `b`; zeros by default.
      name: The module's name.

    Raises:
      TypeError: `output_size` is no integer.
      ValueError: `output_size` is negative; or `b_init` is given and `with_bias` is false.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.Linear(3)(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones([8, 4]))
      >>> jax.tree.map(jnp.shape, params)
      {'linear': {'b': (3,), 'w': (4, 3)}}
      >>> forward.apply(params, jnp.ones([8, 4])).shape
      (8, 3)
    """

    def __init__(
        self,
        output_size: int,
        with_bias: bool = True,
        w_init: "Initializer | None" = None,
        b_init: "Initializer | None" = None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        output_size = _checks.size("Linear", "output_size", output_size)
        if b_init is not None and not with_bias:
            raise ValueError("Linear: b_init is given with with_bias=False, expected None. Drop one of the two.")
        self.input_size: int | None = None
        self.output_size = output_size
        self.with_bias = with_bias
        self.w_init = w_init
        self.b_init = b_init or jnp.zeros

    def __call__(
        self,
        inputs: "Float[Array, '*batch inputs']",
        *,
        precision: "jax.lax.PrecisionLike" = None,
    ) -> "Float[Array, '*batch outputs']":
        """Returns `inputs w + b`, of shape `[*batch, output_size]`.

        Args:
          inputs: Of shape `[*batch, inputs]`; the parameters are created in their dtype.
          precision: The precision of the product, as for `jax.lax.dot`.

        Raises:
          TypeError: `inputs` is no array of numbers.
          ValueError: `inputs` is a scalar.
        """
        is_jax = isinstance(inputs, jax.Array)
        dtype = inputs.dtype if is_jax or isinstance(inputs, np.ndarray) else None
        if not isinstance(dtype, np.dtype):  # Keys have a dtype of JAX's own.
            kind = getattr(inputs, "dtype", type(inputs).__name__)
            raise TypeError(
                f"Linear: inputs of module {self.module_name!r} is of type {kind}, expected an array of numbers. "
                f"Convert it with jnp.asarray."
            )
        shape = inputs.shape
        if not shape:
            raise ValueError(
                f"Linear: inputs of module {self.module_name!r} has shape (), expected [*batch, inputs] with at least "
                f"one axis. Reshape a number to [1]."
            )
        if not is_jax:
            inputs = jnp.asarray(inputs)
            dtype = inputs.dtype
        self.input_size = input_size = shape[-1]

        def draw(shape: Sequence[int], dtype: Any) -> jax.Array:
            # Only where the parameter is created: in apply it would be made in vain.
            return TruncatedNormal(stddev=1 / np.sqrt(max(1, input_size)))(shape, dtype)

        w = get_parameter("w", [input_size, self.output_size], dtype, init=self.w_init or draw)
        b = get_parameter("b", [self.output_size], dtype, init=self.b_init) if self.with_bias else None
        return _affine(inputs, w, b, precision)


@traced_once("precision")
def _affine(inputs: jax.Array, w: jax.Array, b: jax.Array | None, precision: Any) -> jax.Array:
    out = jnp.dot(inputs, w, precision=precision)
    return out if b is None else out + jnp.broadcast_to(b, out.shape)
