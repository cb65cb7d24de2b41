"""IMPALA on the device: actors that lag behind the learner, and V-trace that makes up for it.

    python -m integration_tests.agents.impala --help

Espeholt et al. (2018), arXiv:1802.01561. Actors get the learner's parameters only every few updates, as they do where
actors are machines of their own.
"""

import dataclasses
import functools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import optax

import rlax_like as rlax
from integration_tests.agents import _on_device
from integration_tests.agents._anakin import Trajectory, evaluate, rollout, start, values_around
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
class Config(_on_device.Settings):
    """Trains an IMPALA agent on the device, and draws its learning curve."""

    num_envs: int = 32
    """How many environments are acted in at once."""
    rollout_steps: int = 32
    """How many steps each environment takes between updates."""
    lag: int = 4
    """Updates between those after which the actors get the learner's parameters."""
    vtrace_lambda: float = 0.95
    """How far targets look ahead, from 0, the next value, to 1, all the rewards."""
    entropy_cost: float = 0.03
    """The weight of the policy's entropy."""
    value_cost: float = 0.5
    """The weight of the value's loss."""
    out: pathlib.Path = pathlib.Path("runs/impala")
    """The folder for learning_curve.png, params.safetensors and the checkpoints."""

    def check(self) -> None:
        """Raises ValueError where a setting is out of its range."""
        super().check()
        check_positive(self, "lag", "value_cost")
        check_unit_interval(self, "vtrace_lambda", "entropy_cost")


def make_agent(config: Config) -> Agent:
    """Returns the agent's pure functions."""
    environment = gymnax_adapter.make(config.environment)
    networks = policy_and_value(environment.num_actions, config.hidden_units)
    optimizer = _on_device.make_optimizer(config, config.total_updates)

    def init(key: jax.Array) -> Learner:
        network_key, actors_key, key = jax.random.split(key, 3)
        actors = start(environment, actors_key, config.num_envs)
        params = networks.init(network_key, actors.observation)
        return Learner(params, optimizer.init(params), actors, key, jnp.int32(0), behaviour=params)

    def loss(params: Any, steps: Trajectory, across: Across) -> jax.Array:
        logits = networks.policy(params, steps.observation_tm1)
        v_tm1, v_t = values_around(functools.partial(networks.value, params), steps)
        ratios = rlax.categorical_importance_sampling_ratios(logits, steps.policy_tm1, steps.action_tm1)
        vtrace = rlax.vtrace_td_error_and_advantage(
            v_tm1,
            jax.lax.stop_gradient(v_t),
            steps.reward_t,
            config.discount * steps.discount_t,
            jax.lax.stop_gradient(ratios),
            config.vtrace_lambda,
            truncated_t=steps.truncated_t,
        )
        # Advantages of the same size throughout: as the returns grow, the steps of the policy do not.
        size = jnp.sqrt(across.mean(jnp.mean(jnp.square(vtrace.pg_advantage))))
        advantage = vtrace.pg_advantage / (size + 1e-8)
        policy_loss = rlax.policy_gradient_loss(logits, steps.action_tm1, advantage, 1.0)
        return (
            jnp.mean(policy_loss)
            + config.value_cost * jnp.mean(rlax.l2_loss(vtrace.errors))
            + config.entropy_cost * jnp.mean(rlax.entropy_loss(logits, 1.0))
        )

    def update(learner: Learner, across: Across) -> tuple[Learner, Metrics]:
        def act(keys: jax.Array, observation: jax.Array) -> tuple[jax.Array, jax.Array]:
            logits = networks.policy(learner.behaviour, observation)
            return jax.vmap(rlax.softmax().sample)(keys, logits), logits

        actors, steps = rollout(environment, act, learner.actors, learner.updates, config.rollout_steps)
        gradient = across.mean(jax.grad(loss)(learner.params, steps, across))
        changes, optimizer_state = optimizer.update(gradient, learner.optimizer, learner.params)
        params = optax.apply_updates(learner.params, changes)
        updates = learner.updates + 1
        behaviour = rlax.periodic_update(params, learner.behaviour, updates, config.lag)
        learner = Learner(params, optimizer_state, actors, learner.key, updates, behaviour)
        return learner, _on_device.make_metrics(steps, across)

    def greedy_return(params: Any, key: jax.Array) -> jax.Array:
        return evaluate(environment, functools.partial(networks.policy, params), key, config.eval_episodes)

    return Agent(init, update, greedy_return)


def train(config: Config, report: Report = no_report) -> Result:
    """Trains an agent; see `_on_device.train`."""
    config.check()
    return _on_device.train(make_agent(config), config, report)


def main(config: Config) -> Result:
    """Trains with a progress bar, draws the learning curve and prints the summary."""
    config.check()
    return run(_on_device.describe("IMPALA", config, SOLVED), functools.partial(train, config), config.out)


if __name__ == "__main__":
    command(Config, main)
