"""Layers called one after the other."""

from collections.abc import Callable, Iterable
from typing import Any

from haiku_like import _checks
from haiku_like._core.module import Module


class Sequential(Module):
    """Calls each layer with what the one before returned.

    Args:
      layers: Modules and functions; the first takes all arguments, the others one.
      name: The module's name.

    Raises:
      TypeError: `layers` is no sequence, or a layer is not callable.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> forward = hk.transform(lambda x: hk.Sequential([hk.Flatten(), hk.Linear(3), jax.nn.relu])(x))
      >>> params = forward.init(jax.random.key(0), jnp.ones([2, 4, 4]))
      >>> forward.apply(params, jnp.ones([2, 4, 4])).shape
      (2, 3)
    """

    def __init__(self, layers: Iterable[Callable[..., Any]], name: str | None = None):
        super().__init__(name=name)
        self.layers = _checks.sequence("Sequential", "layers", layers, "[hk.Linear(3), jax.nn.relu]")
        for i, layer in enumerate(self.layers):
            _checks.function("Sequential", f"layers[{i}]", layer, "hk.Linear(3) or jax.nn.relu")

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns the last layer's output, or `inputs` if there is no layer."""
        out = inputs
        for layer in self.layers:
            out = layer(out, *args, **kwargs)
            args, kwargs = (), {}
        return out
