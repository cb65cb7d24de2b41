"""The multi-layer perceptron."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import jax

from haiku_like import _checks
from haiku_like._core.module import Module
from haiku_like.layers.dropout import dropout
from haiku_like.layers.linear import Linear

if TYPE_CHECKING:
    from jaxtyping import Array, ArrayLike, Float

    from haiku_like.typing import Initializer, PRNGKey


class MLP(Module):
    """Fully connected layers with an activation between them.

    Args:
      output_sizes: The output size of each layer.
      w_init: Makes the matrices, see `hk.Linear`.
      b_init: Makes the biases, see `hk.Linear`.
      with_bias: Whether the layers add a bias.
      activation: Applied after each layer but the last.
      activate_final: Whether to apply it after the last layer too.
      name: The module's name.

    Raises:
      TypeError: `output_sizes` is no sequence of integers, or `activation` no function.
      ValueError: `b_init` is given and `with_bias` is false.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.nets.MLP([300, 100, 10])(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones([1, 784]))
      >>> forward.apply(params, jnp.ones([1, 784])).shape
      (1, 10)
    """

    def __init__(
        self,
        output_sizes: Iterable[int],
        w_init: "Initializer | None" = None,
        b_init: "Initializer | None" = None,
        with_bias: bool = True,
        activation: "Callable[[Float[Array, '...']], Float[Array, '...']]" = jax.nn.relu,
        activate_final: bool = False,
        name: str | None = None,
    ):
        super().__init__(name=name)
        if b_init is not None and not with_bias:
            raise ValueError("MLP: b_init is given with with_bias=False, expected None. Drop one of the two.")
        output_sizes = _checks.sequence("MLP", "output_sizes", output_sizes, "[300, 10]")
        _checks.function("MLP", "activation", activation, "jax.nn.relu")
        self.w_init = w_init
        self.b_init = b_init
        self.with_bias = with_bias
        self.activation = activation
        self.activate_final = activate_final
        self.layers = tuple(
            Linear(size, with_bias, w_init, b_init, name=f"linear_{i}") for i, size in enumerate(output_sizes)
        )
        self.output_size = self.layers[-1].output_size if self.layers else None

    def __call__(
        self,
        inputs: "Float[Array, '*batch inputs']",
        dropout_rate: "ArrayLike | None" = None,
        rng: "PRNGKey | None" = None,
    ) -> "Float[Array, '*batch outputs']":
        """Returns the last layer's output, of shape `[*batch, output_sizes[-1]]`.

        Args:
          inputs: Of shape `[*batch, inputs]`.
          dropout_rate: The share of each layer's activations to set to zero, the last layer's output too if
            `activate_final`. None for no dropout.
          rng: A random key, needed for dropout.

        Raises:
          ValueError: only one of `dropout_rate` and `rng` is given.
        """
        if (dropout_rate is None) != (rng is None):
            missing, given = ("rng", "dropout_rate") if rng is None else ("dropout_rate", "rng")
            raise ValueError(
                f"MLP: {missing} is None and {given} is given, expected both or neither. For dropout call "
                f"mlp(x, dropout_rate=0.1, rng=hk.next_rng_key())."
            )
        out = inputs
        for i, layer in enumerate(self.layers):
            out = layer(out)
            if i < len(self.layers) - 1 or self.activate_final:
                if rng is not None and dropout_rate is not None:
                    rng, layer_rng = jax.random.split(rng)
                    out = dropout(layer_rng, dropout_rate, out)
                out = self.activation(out)
        return out

    def reverse(self, activate_final: bool | None = None, name: str | None = None) -> "MLP":
        """Returns a new MLP with the layers' input sizes as output sizes, in reverse: the decoder of an encoder.

        Args:
          activate_final: As for `MLP`; None for the same as this one's.
          name: The new module's name; by default `<this name>_reversed`.

        Raises:
          ValueError: the MLP has not been called yet, so that its input sizes are not known.

        Example:
          >>> import haiku_like as hk, jax, jax.numpy as jnp
          >>> def autoencoder(x):
          ...     encoder = hk.nets.MLP([4, 2])
          ...     code = encoder(x)
          ...     return encoder.reverse()(code)
          >>> forward = hk.transform(autoencoder)
          >>> params = forward.init(jax.random.key(0), jnp.ones([3, 8]))
          >>> forward.apply(params, jnp.ones([3, 8])).shape
          (3, 8)
        """
        sizes = [layer.input_size for layer in reversed(self.layers)]
        if None in sizes:
            raise ValueError(
                f"MLP.reverse: module {self.module_name!r} has not been called, so its input sizes are unknown, "
                f"expected a call of it before reverse()."
            )
        return MLP(
            [size for size in sizes if size is not None],
            self.w_init,
            self.b_init,
            self.with_bias,
            self.activation,
            self.activate_final if activate_final is None else activate_final,
            name=f"{self.name}_reversed" if name is None else name,
        )
