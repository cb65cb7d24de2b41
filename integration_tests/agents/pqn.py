"""Parallelised Q-learning on the device: Q(lambda) with layer normalisation, without replay or target network.

    python -m integration_tests.agents.pqn --help

Gallici et al. (2024), "Simplifying deep temporal difference learning", arXiv:2407.04811.
"""

import dataclasses
import functools
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import haiku_like as hk
import rlax_like as rlax
from integration_tests.agents import _on_device
from integration_tests.agents._anakin import evaluate, rollout, start, values_around
from integration_tests.agents._command import (
    Report,
    Result,
    check_positive,
    check_unit_interval,
    command,
    no_report,
    run,
)
from integration_tests.agents._on_device import Agent, Learner, Metrics
from integration_tests.agents._parallel import Across
from integration_tests.environments import gymnax_adapter

SOLVED = {"CartPole-v1": 475.0}
"""The mean greedy return that counts as solved."""


@dataclasses.dataclass(frozen=True)
class Config(_on_device.Settings):
    """Trains a PQN agent on the device, and draws its learning curve."""

    rollout_steps: int = 32
    """How many steps each environment takes between updates."""
    max_gradient_norm: float = 10.0
    """The length that longer gradients are cut to."""
    epochs: int = 2
    """How often each step is learnt from."""
    minibatches: int = 8
    """How many parts an epoch has."""
    q_lambda: float = 0.95
    """How far targets look ahead, from 0, the next value, to 1, all the rewards."""
    epsilon: float = 1.0
    """The probability of a random action at first; it falls to --final-epsilon in the first quarter of training."""
    final_epsilon: float = 0.05
    """The probability of a random action later."""
    out: pathlib.Path = pathlib.Path("runs/pqn")
    """The folder for learning_curve.png, params.safetensors and the checkpoints."""

    def check(self) -> None:
        """Raises ValueError where a setting is out of its range."""
        super().check()
        check_positive(self, "epochs", "minibatches")
        check_unit_interval(self, "q_lambda", "epsilon", "final_epsilon")
        if self.rollout_steps % self.minibatches:
            raise ValueError(
                f"--rollout-steps is {self.rollout_steps}, expected a multiple of --minibatches = {self.minibatches}."
            )


class Batch(NamedTuple):
    """What is learnt from; `[steps, ...]` in a minibatch."""

    observation: jax.Array
    action: jax.Array
    target: jax.Array


def make_agent(config: Config) -> Agent:
    """Returns the agent's pure functions."""
    environment = gymnax_adapter.make(config.environment)
    optimizer = _on_device.make_optimizer(config, config.total_updates * config.epochs * config.minibatches)

    @hk.transform
    def q_network(observation: jax.Array) -> jax.Array:
        x = observation
        for _ in range(2):
            # Normalised layers are what keeps the values from growing without bound.
            x = jax.nn.relu(hk.LayerNorm(-1, create_scale=True, create_offset=True)(hk.Linear(config.hidden_units)(x)))
        return hk.Linear(environment.num_actions)(x)

    def init(key: jax.Array) -> Learner:
        network_key, actors_key, key = jax.random.split(key, 3)
        actors = start(environment, actors_key, config.num_envs)
        params = q_network.init(network_key, actors.observation)
        return Learner(params, optimizer.init(params), actors, key, jnp.int32(0))

    def loss(params: Any, batch: Batch) -> jax.Array:
        q = rlax.batched_index(q_network.apply(params, batch.observation), batch.action)
        return jnp.mean(rlax.l2_loss(batch.target - q))

    def update(learner: Learner, across: Across) -> tuple[Learner, Metrics]:
        q = functools.partial(q_network.apply, learner.params)
        progress = jnp.minimum(1.0, 4.0 * learner.updates / config.total_updates)
        epsilon = config.epsilon + (config.final_epsilon - config.epsilon) * progress

        def act(keys: jax.Array, observation: jax.Array) -> tuple[jax.Array, tuple[()]]:
            return jax.vmap(rlax.epsilon_greedy(epsilon).sample)(keys, q(observation)), ()

        actors, steps = rollout(environment, act, learner.actors, learner.updates, config.rollout_steps)
        q_tm1, q_t = values_around(q, steps)
        errors = rlax.q_lambda(
            q_tm1,
            steps.action_tm1,
            steps.reward_t,
            config.discount * steps.discount_t,
            q_t,
            config.q_lambda,
            truncated_t=steps.truncated_t,
        )
        targets = errors + rlax.batched_index(q_tm1, steps.action_tm1)
        data = Batch(steps.observation_tm1, steps.action_tm1, targets)
        learner = _on_device.descend(
            jax.grad(loss),
            optimizer,
            learner._replace(actors=actors),
            data,
            across,
            epochs=config.epochs,
            minibatches=config.minibatches,
        )
        return learner._replace(updates=learner.updates + 1), _on_device.make_metrics(steps, across)

    def greedy_return(params: Any, key: jax.Array) -> jax.Array:
        return evaluate(environment, functools.partial(q_network.apply, params), key, config.eval_episodes)

    return Agent(init, update, greedy_return)


def train(config: Config, report: Report = no_report) -> Result:
    """Trains an agent; see `_on_device.train`."""
    config.check()
    return _on_device.train(make_agent(config), config, report)


def main(config: Config) -> Result:
    """Trains with a progress bar, draws the learning curve and prints the summary."""
    config.check()
    return run(_on_device.describe("PQN", config, SOLVED), functools.partial(train, config), config.out)


if __name__ == "__main__":
    command(Config, main)
