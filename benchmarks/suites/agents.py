"""Agents: what both libraries together cost over hand-written JAX, and how fast they train beside other agents."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import haiku_like
import rlax_like
from benchmarks.case import HAND, Case, bound
from benchmarks.suites.on_device import beside_rejax, over_devices
from integration_tests.agents import q_learning


def agents(tiny: bool) -> Iterator[Case]:
    """One update, whole trainings, and training on more and more devices."""
    yield from update(tiny)
    yield from beside_rejax(tiny)
    yield from over_devices(tiny)


def update(tiny: bool) -> Iterator[Case]:
    """One update of the Q-learning agent, beside the same written by hand."""
    config = q_learning.Config(hidden_units=8 if tiny else 64)
    agent = q_learning.make_agent(3, config)
    learner = agent.init(jax.random.key(0), jnp.zeros([10, 5]))
    board = np.zeros([1, 10, 5], np.float32)
    transition = q_learning.Transition(board, np.array([1]), np.ones(1, np.float32), np.ones(1, np.float32), board)

    def q(params: Any, observation: jax.Array) -> jax.Array:
        first, second = params.values()
        hidden = jax.nn.relu(observation.reshape(1, -1) @ first["w"] + first["b"])
        return hidden @ second["w"] + second["b"]

    def loss(params: Any) -> jax.Array:
        q_tm1, q_t = q(params, transition.observation_tm1), q(params, transition.observation_t)
        target = transition.reward_t + config.discount * transition.discount_t * jnp.max(q_t, -1)
        error = jax.lax.stop_gradient(target) - q_tm1[jnp.arange(1), transition.action_tm1]
        return jnp.mean(error**2 / 2)

    ours = haiku_like.transform(
        lambda x: haiku_like.Sequential([haiku_like.Flatten(), haiku_like.nets.MLP([config.hidden_units, 3])])(x)
    )

    def library_loss(params: Any) -> jax.Array:
        q_tm1, q_t = ours.apply(params, transition.observation_tm1), ours.apply(params, transition.observation_t)
        discount_t = config.discount * transition.discount_t
        error = rlax_like.q_learning(q_tm1, transition.action_tm1, transition.reward_t, discount_t, q_t)
        return jnp.mean(rlax_like.l2_loss(error))

    runs = {
        HAND: bound(jax.grad(loss), learner.params),
        "both libraries": bound(jax.grad(library_loss), learner.params),
    }
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), *(run() for run in runs.values()))
    yield Case("gradient of the Q-learning agent's loss, batch 1", "both libraries", runs, "agents")
