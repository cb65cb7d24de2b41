"""Spectral normalization: matrices divided by their largest singular value."""

from typing import TYPE_CHECKING, Any, NoReturn

import jax
import jax.numpy as jnp

from haiku_like import _checks
from haiku_like._core.module import Module
from haiku_like._core.variables import get_state, set_state
from haiku_like.initializers import RandomNormal
from haiku_like.layers._normalize import array_of_floats, at_least_float32, narrowed
from haiku_like.layers._parameter_trees import compiled_regex, map_parameters

if TYPE_CHECKING:
    from jaxtyping import Array, Float

    from haiku_like.typing import Params


class SpectralNorm(Module):
    """Divides a weight by its largest singular value, which power iteration finds bit by bit, call by call.

    With `n(x) = x / sqrt(|x|^2 + eps)`, a step is `v = n(u w^T)`, `u = n(v w)`, and then `sigma = v w u^T`; the
    gradient takes `u` and `v` as constants. Worked out in float32 at least. From Miyato et al. (2018), "Spectral
    normalization for generative adversarial networks", https://arxiv.org/abs/1802.05957, algorithm 1.

    State: `u0`, of shape `[1, columns]`, and `sigma`.

    Args:
      eps: Added to the square of a vector's length, so that zero can be normalized.
      n_steps: How many steps of power iteration to make at each call.
      name: The module's name.

    Raises:
      TypeError: `n_steps` is no integer.
      ValueError: `n_steps` is not positive.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> norm = hk.transform_with_state(lambda w: hk.SpectralNorm(n_steps=20)(w))
      >>> w = jnp.array([[3.0, 0.0], [0.0, 2.0]])
      >>> params, state = norm.init(jax.random.key(0), w)
      >>> jnp.allclose(norm.apply(params, state, None, w)[0], w / 3, atol=1e-3).item()
      True
    """

    def __init__(self, eps: float = 1e-4, n_steps: int = 1, name: str | None = None):
        super().__init__(name=name)
        self.eps = eps
        self.n_steps = _checked_steps("SpectralNorm", n_steps)

    def __call__(
        self,
        value: "Float[Array, '*rows columns']",
        update_stats: bool = True,
        error_on_non_matrix: bool = False,
    ) -> "Float[Array, '*rows columns']":
        """Returns `value / sigma`, or `value` where `sigma` is 0.

        Args:
          value: A matrix. Of an array with more axes, all but the last are taken as rows.
          update_stats: Whether to keep `u0` and `sigma`. If false, the next call goes on from the state before this
            one.
          error_on_non_matrix: Whether to refuse an array with more axes than two.

        Raises:
          TypeError: `value` is no array of floats, or a flag is traced.
          ValueError: `value` has fewer than two axes, or more and `error_on_non_matrix` is true.
        """
        update_stats = _checks.flag("SpectralNorm", "update_stats", update_stats)
        value = array_of_floats("SpectralNorm", self.module_name, "value", value, 2)
        if value.ndim > 2 and _checks.flag("SpectralNorm", "error_on_non_matrix", error_on_non_matrix):
            raise ValueError(
                f"SpectralNorm: value of module {self.module_name!r} has shape {value.shape} with "
                f"error_on_non_matrix=True, expected two axes. Reshape it to [rows, columns], or let all axes but the "
                f"last be rows with error_on_non_matrix=False."
            )
        columns = value.shape[-1]
        start = get_state("u0", [1, columns], value.dtype, init=RandomNormal())
        if start.shape != (1, columns):
            raise ValueError(
                f"SpectralNorm: value of module {self.module_name!r} has shape {value.shape}, expected "
                f"{start.shape[-1]} columns as before. Build another module for another weight."
            )
        w = at_least_float32(value.reshape(-1, columns))
        u, v = start.astype(w.dtype), jnp.zeros([1, w.shape[0]], w.dtype)
        for _ in range(self.n_steps):
            v = self._unit(u @ jax.lax.stop_gradient(w).T)
            u = self._unit(v @ jax.lax.stop_gradient(w))
        sigma = (v @ w @ u.T)[0, 0]
        # A weight that starts as zero must not turn into NaN, nor leave a u that is zero forever.
        is_zero = jax.lax.stop_gradient(sigma) == 0
        if update_stats:
            set_state("u0", narrowed(jnp.where(is_zero, start.astype(w.dtype), u), start.dtype))
            set_state("sigma", narrowed(sigma, value.dtype))
        return (at_least_float32(value) / jnp.where(is_zero, 1, sigma)).astype(value.dtype)

    def _unit(self, x: "Float[Array, '1 n']") -> "Float[Array, '1 n']":
        return x * jax.lax.rsqrt(jnp.sum(jnp.square(x), -1, keepdims=True) + self.eps)

    @property
    def u0(self) -> "Float[Array, '1 columns']":
        """The estimate of the first right singular vector after the last call that updated it."""

        def missing(*_: Any) -> NoReturn:
            raise ValueError(
                f"SpectralNorm: u0 of module {self.module_name!r} has no value yet, expected a call before it is read. "
                f"Pass apply the state that init returned."
            )

        return get_state("u0", init=missing)

    @property
    def sigma(self) -> "Float[Array, '']":
        """The estimate of the largest singular value after the last call that updated it; 1 before any."""
        return get_state("sigma", (), init=jnp.ones)


class SNParamsTree(Module):
    """Spectral normalization of each parameter, in the shape of the parameters.

    The state of parameter `linear/w` lies under `<name>/linear__w`, that of `mlp/~/linear_0/w` under
    `<name>/mlp___tilde__linear_0__w`.

    Args:
      eps: See `hk.SpectralNorm`.
      n_steps: The same.
      ignore_regex: Parameters whose path `module/name` begins with a match of this regular expression come back as
        they are and get no state. Empty for none; but biases, which are no matrices, must be ignored.
      name: The module's name.

    Raises:
      TypeError: `n_steps` is no integer.
      ValueError: `ignore_regex` is no regular expression, or `n_steps` is not positive.

    Example:
      >>> import haiku_like as hk, jax, jax.numpy as jnp
      >>> norm = hk.transform_with_state(lambda params: hk.SNParamsTree(ignore_regex=".*/b")(params))
      >>> params = {"linear": {"w": 7 * jnp.eye(2), "b": jnp.ones([2])}}
      >>> _, state = norm.init(jax.random.key(0), params)
      >>> sorted(state)
      ['sn_params_tree/linear__w']
      >>> jnp.allclose(norm.apply({}, state, None, params)[0]["linear"]["w"], jnp.eye(2), atol=1e-3).item()
      True
    """

    def __init__(self, eps: float = 1e-4, n_steps: int = 1, ignore_regex: str = "", name: str | None = None):
        super().__init__(name=name)
        self._eps = eps
        self._n_steps = _checked_steps("SNParamsTree", n_steps)
        self._ignored = compiled_regex("SNParamsTree", ignore_regex)

    def __call__(self, tree: "Params", update_stats: bool = True) -> "Params":
        """Returns the normalized parameters, in dictionaries like `tree`.

        Args:
          tree: Parameters `{module path: {name: array}}`, as `init` of a transformed function returns them.
          update_stats: Whether to keep the state, see `hk.SpectralNorm`.

        Raises:
          TypeError: `tree` is of another form.
          ValueError: a parameter that is not ignored has fewer than two axes.
        """

        def divide(name: str, value: jax.Array) -> jax.Array:
            return SpectralNorm(self._eps, self._n_steps, name)(value, update_stats)

        return map_parameters("SNParamsTree", divide, tree, self._ignored, tilde="_tilde")


def _checked_steps(where: str, n_steps: int) -> int:
    if _checks.size(where, "n_steps", n_steps) == 0:
        raise ValueError(f"{where}: n_steps is 0, expected 1 or more steps of power iteration.")
    return n_steps
