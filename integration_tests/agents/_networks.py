"""The networks that several agents have."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import haiku_like as hk


class PolicyAndValue(NamedTuple):
    """A policy and a value function, two networks with one dictionary of parameters.

    Attributes:
      init: `init(key, observations) -> params`.
      policy: `policy(params, observations) -> logits`.
      value: `value(params, observations) -> values`.
    """

    init: Callable[..., Any]
    policy: Callable[..., jax.Array]
    value: Callable[..., jax.Array]


def policy_and_value(num_actions: int, hidden_units: int) -> PolicyAndValue:
    """Returns two networks of two hidden layers each, for observations `[*B, size]`.

    The last layer of the policy begins small, so that the first policy is near to random.
    """

    def build() -> Any:
        def network(outputs: int, scale: float, name: str) -> hk.Sequential:
            sizes = [hidden_units, hidden_units]
            body = hk.nets.MLP(sizes, activation=jnp.tanh, activate_final=True, name=name)
            head = hk.Linear(outputs, w_init=hk.initializers.VarianceScaling(scale), name=f"{name}_head")
            return hk.Sequential([body, head])

        policy, values = network(num_actions, 1e-4, "policy"), network(1, 1.0, "value")

        def value(observations: jax.Array) -> jax.Array:
            return values(observations)[..., 0]

        return lambda observations: (policy(observations), value(observations)), (policy, value)

    init, (policy, value) = hk.multi_transform(build)
    return PolicyAndValue(init, policy, value)
