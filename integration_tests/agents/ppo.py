"""Proximal policy optimisation on the device: acting, learning and evaluation are one compiled program.

    python -m integration_tests.agents.ppo --help

Schulman et al. (2017), arXiv:1707.06347, with generalised advantage estimation. Several devices, of one process or of
many, may share the environments out; see `--devices` and `--coordinator`.
"""

import dataclasses
import functools
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import rlax_like as rlax
from integration_tests.agents import _distributed, _on_device
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
from integration_tests.agents._networks import policy_and_value
from integration_tests.agents._on_device import Agent, Learner, Metrics
from integration_tests.agents._parallel import Across
from integration_tests.environments import gymnax_adapter

SOLVED = {"CartPole-v1": 475.0}
"""The mean greedy return that counts as solved."""


@dataclasses.dataclass(frozen=True)
class Config(_on_device.Settings, _distributed.Processes):
    """Trains a PPO agent on the device, and draws its learning curve."""

    learning_rate: float = 3e-3
    """The step size of Adam at first; it falls linearly to 0."""
    epochs: int = 4
    """How often each step is learnt from."""
    minibatches: int = 4
    """How many parts an epoch has."""
    gae_lambda: float = 0.95
    """How far advantages look ahead, from 0, the next value, to 1, all the rewards."""
    clip: float = 0.2
    """How far the probability of an action may go before an update gains nothing more by it."""
    entropy_cost: float = 0.01
    """The weight of the policy's entropy."""
    value_cost: float = 0.5
    """The weight of the value's loss."""
    out: pathlib.Path = pathlib.Path("runs/ppo")
    """The folder for learning_curve.png, params.safetensors and the checkpoints."""

    def check(self) -> None:
        """Raises ValueError where a setting is out of its range."""
        super().check()
        self.check_processes()
        check_positive(self, "epochs", "minibatches", "clip", "value_cost")
        check_unit_interval(self, "gae_lambda", "entropy_cost")
        if self.rollout_steps % self.minibatches:
            raise ValueError(
                f"--rollout-steps is {self.rollout_steps}, expected a multiple of --minibatches = {self.minibatches}."
            )


class Batch(NamedTuple):
    """What is learnt from; `[steps, ...]` in a minibatch."""

    observation: jax.Array
    action: jax.Array
    logits: jax.Array
    advantage: jax.Array
    target: jax.Array


def make_agent(config: Config) -> Agent:
    """Returns the agent's pure functions."""
    environment = gymnax_adapter.make(config.environment)
    networks = policy_and_value(environment.num_actions, config.hidden_units)
    gradient_steps = config.total_updates * config.epochs * config.minibatches
    optimizer = _on_device.make_optimizer(config, gradient_steps)

    def init(key: jax.Array) -> Learner:
        network_key, actors_key, key = jax.random.split(key, 3)
        actors = start(environment, actors_key, config.num_envs)
        params = networks.init(network_key, actors.observation)
        return Learner(params, optimizer.init(params), actors, key, jnp.int32(0))

    def loss(params: Any, batch: Batch) -> jax.Array:
        logits = networks.policy(params, batch.observation)
        ratios = rlax.categorical_importance_sampling_ratios(logits, batch.logits, batch.action)
        policy_loss = rlax.clipped_surrogate_pg_loss(ratios, batch.advantage, config.clip)
        value_error = batch.target - networks.value(params, batch.observation)
        return (
            policy_loss
            + config.value_cost * jnp.mean(rlax.l2_loss(value_error))
            + config.entropy_cost * rlax.entropy_loss(logits, 1.0)
        )

    def update(learner: Learner, across: Across) -> tuple[Learner, Metrics]:
        params = learner.params

        def act(keys: jax.Array, observation: jax.Array) -> tuple[jax.Array, jax.Array]:
            logits = networks.policy(params, observation)
            return jax.vmap(rlax.softmax().sample)(keys, logits), logits

        actors, steps = rollout(environment, act, learner.actors, learner.updates, config.rollout_steps)
        v_tm1, v_t = values_around(functools.partial(networks.value, params), steps)
        advantages = rlax.generalized_advantage_estimation(
            steps.reward_t,
            config.discount * steps.discount_t,
            v_tm1,
            v_t,
            config.gae_lambda,
            truncated_t=steps.truncated_t,
        )
        data = Batch(steps.observation_tm1, steps.action_tm1, steps.policy_tm1, advantages, v_tm1 + advantages)

        def gradient(params: Any, batch: Batch) -> Any:
            # Normalised by the advantages of the minibatch on all devices.
            centred = batch.advantage - across.mean(jnp.mean(batch.advantage))
            deviation = jnp.sqrt(across.mean(jnp.mean(jnp.square(centred))))
            return jax.grad(loss)(params, batch._replace(advantage=centred / (deviation + 1e-8)))

        learner = learner._replace(actors=actors)
        learner = _on_device.descend(
            gradient, optimizer, learner, data, across, epochs=config.epochs, minibatches=config.minibatches
        )
        return learner._replace(updates=learner.updates + 1), _on_device.make_metrics(steps, across)

    def greedy_return(params: Any, key: jax.Array) -> jax.Array:
        return evaluate(environment, functools.partial(networks.policy, params), key, config.eval_episodes)

    return Agent(init, update, greedy_return)


def train(config: Config, report: Report = no_report) -> Result:
    """Trains an agent; see `_on_device.train`."""
    config.check()
    return _on_device.train(make_agent(config), config, report)


def main(config: Config) -> Result:
    """Trains with a progress bar, draws the learning curve and prints the summary; of many processes, the first does.

    Many processes share the environments out over all their devices.
    """
    config.check()
    _distributed.connect(config)
    if config.many and config.devices == 1:
        config = dataclasses.replace(config, devices=jax.device_count())
    if jax.process_index():
        return _distributed.run_together(lambda: train(config))
    task = _on_device.describe("PPO", config, SOLVED)
    return _distributed.run_together(lambda: run(task, functools.partial(train, config), config.out))


if __name__ == "__main__":
    command(Config, main)
