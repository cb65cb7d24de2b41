"""Soft actor-critic on a continuous task of Gymnasium: squashed Gaussian, twin critics, a temperature that is learned.

    python -m integration_tests.agents.sac --help

Haarnoja et al. (2018), "Soft actor-critic algorithms and applications", arXiv:1812.05905. The environment is an adapter
to dm_env; an episode that is only cut off by its limit of steps counts on the value of what was seen last.
"""

import dataclasses
import functools
import pathlib
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import optax
from dm_env import specs

import haiku_like as hk
import rlax_like as rlax
from integration_tests.agents import _online
from integration_tests.agents._command import (
    Report,
    Result,
    Task,
    check_positive,
    check_unit_interval,
    command,
    no_report,
    run_kept,
)
from integration_tests.agents._replay import Replay, Transition, check_replay
from integration_tests.environments.gymnasium_adapter import GymnasiumAdapter
from integration_tests.environments.lockstep import Lockstep

SOLVED = -200.0
"""The mean return that counts as solved, on Pendulum-v1; an agent that does nothing gets about -1200."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_online.Settings):
    """Trains a soft actor-critic to swing up a pendulum, and draws its learning curve."""

    environment: str = "Pendulum-v1"
    """The name of a Gymnasium environment with bounded continuous actions."""
    steps: int = 6000
    eval_every: int = 1000
    eval_episodes: int = 10
    hidden_units: int = 64
    """The size of each of the two hidden layers of every network."""
    learning_rate: float = 2e-3
    """The step size of Adam, for all that is learned."""
    discount: float = 0.98
    """The discount factor, per step."""
    target_rate: float = 0.01
    """How much of the way to the critics the target critics go in a step."""
    replay_size: int = 10_000
    """How many transitions the replay buffer holds."""
    batch_size: int = 128
    """How many of them a step learns from."""
    warm_up: int = 500
    """How many steps to take at random before learning."""
    out: pathlib.Path = pathlib.Path("runs/sac")

    def check(self) -> None:
        """Raises ValueError where a setting is out of its range."""
        self.check_schedule()
        check_positive(self, "hidden_units", "learning_rate", "replay_size", "batch_size", "warm_up")
        check_unit_interval(self, "discount", "target_rate")
        check_replay(self)


class Parts(NamedTuple):
    """What the optimiser changes: the parameters of the policy and the critics, and the temperature's logarithm."""

    policy: hk.Params
    critics: hk.Params
    log_temperature: jax.Array


class Learner(NamedTuple):
    """What learning changes.

    Attributes:
      parts: What the optimiser changes.
      target_critics: The parameters of the target critics, which follow the critics slowly.
      optimizer: The optimiser's state.
      replay: The replay buffer.
      key: The key of the next batch and its actions.
    """

    parts: Parts
    target_critics: hk.Params
    optimizer: optax.OptState
    replay: Any
    key: jax.Array

    @property
    def params(self) -> hk.Params:
        """The policy's parameters."""
        return self.parts.policy


def make_agent(action_spec: specs.BoundedArray, config: Config) -> _online.Agent:
    """Returns an agent for an environment with actions in the bounds of `action_spec`, `[D]`."""
    (dimensions,) = action_spec.shape
    hidden = [config.hidden_units] * 2
    middle = (action_spec.maximum + action_spec.minimum) / 2
    half = (action_spec.maximum - action_spec.minimum) / 2
    distribution = rlax.squashed_gaussian(sigma_min=-5.0, sigma_max=1.0)
    target_entropy = -float(dimensions)  # In the units of actions in [-1, 1].

    def policy_parameters(observation: jax.Array) -> tuple[jax.Array, jax.Array]:
        mu, sigma = jnp.split(hk.nets.MLP([*hidden, 2 * dimensions], name="policy")(observation), 2, axis=-1)
        return mu, sigma

    def twin_q(observation: jax.Array, action: jax.Array) -> tuple[jax.Array, jax.Array]:
        inputs = jnp.concatenate([observation, (action - middle) / half], axis=-1)
        first, second = (hk.nets.MLP([*hidden, 1], name=name)(inputs)[..., 0] for name in ("critic_1", "critic_2"))
        return first, second

    policy, critics = hk.transform(policy_parameters), hk.transform(twin_q)
    optimizer = optax.adam(config.learning_rate)
    replay = Replay(config.replay_size, config.warm_up, config.batch_size)

    @jax.jit
    def init(key: jax.Array, observation: jax.Array) -> Learner:
        policy_key, critic_key, key = jax.random.split(key, 3)
        action = jnp.zeros([1, dimensions])
        parts = Parts(
            policy.init(policy_key, observation), critics.init(critic_key, observation, action), jnp.float32(0)
        )
        # The target critics start equal, but in arrays of their own: learning uses up the arrays that it is given.
        target_critics = jax.tree.map(jnp.copy, parts.critics)
        return Learner(parts, target_critics, optimizer.init(parts), replay.init(observation[0], action[0]), key)

    @jax.jit
    def act(
        params: hk.Params, memory: Any, key: jax.Array, observation: jax.Array, first: jax.Array, exploration: jax.Array
    ) -> tuple[jax.Array, Any, jax.Array]:
        del first  # The policy has no memory to be cleared.
        key, sample_key, uniform_key = jax.random.split(key, 3)
        mu, sigma = policy.apply(params, observation)
        sampled = distribution.sample(sample_key, mu, sigma, action_spec)
        uniform = jax.random.uniform(uniform_key, mu.shape, mu.dtype, -1.0, 1.0)
        evaluated = middle + half * jnp.tanh(mu)
        action = jnp.where(exploration > 1, middle + half * uniform, jnp.where(exploration > 0, sampled, evaluated))
        return action, memory, key

    def act_and_logprob(params: hk.Params, key: jax.Array, observation: jax.Array) -> tuple[jax.Array, jax.Array]:
        mu, sigma = policy.apply(params, observation)
        action = distribution.sample(key, mu, sigma, action_spec)
        # The density of the action as if in [-1, 1], so that the target entropy does not depend on its units.
        return action, distribution.logprob(action, mu, sigma, action_spec) + jnp.sum(jnp.log(half))

    def loss(parts: Parts, target_critics: hk.Params, batch: Transition, key: jax.Array) -> jax.Array:
        tm1_key, t_key = jax.random.split(key)
        frozen = jax.lax.stop_gradient(parts)
        temperature = jnp.exp(parts.log_temperature)

        # Critics: the value of the next state is the lesser of the two targets', plus the entropy.
        action_t, logprob_t = act_and_logprob(frozen.policy, t_key, batch.observation_t)
        q_t = jnp.minimum(*critics.apply(target_critics, batch.observation_t, action_t))
        v_t = q_t - jax.lax.stop_gradient(temperature) * logprob_t
        discount_t = config.discount * batch.discount_t
        critic_loss = sum(
            rlax.l2_loss(rlax.td_learning(q_tm1, batch.reward_t, discount_t, v_t))
            for q_tm1 in critics.apply(parts.critics, batch.observation_tm1, batch.action_tm1)
        )

        # Policy: through the action to the critics, which are left as they are.
        action_tm1, logprob_tm1 = act_and_logprob(parts.policy, tm1_key, batch.observation_tm1)
        q_tm1 = jnp.minimum(*critics.apply(frozen.critics, batch.observation_tm1, action_tm1))
        policy_loss = jax.lax.stop_gradient(temperature) * logprob_tm1 - q_tm1

        # Temperature: it rises while the entropy is less than its target.
        temperature_loss = -parts.log_temperature * (jax.lax.stop_gradient(logprob_tm1) + target_entropy)
        return jnp.mean(critic_loss + policy_loss + temperature_loss)

    def improve(learner: Learner) -> Learner:
        key, batch_key, action_key = jax.random.split(learner.key, 3)
        batch = replay.sample(learner.replay, batch_key)
        gradient = jax.grad(loss)(learner.parts, learner.target_critics, batch, action_key)
        updates, optimizer_state = optimizer.update(gradient, learner.optimizer, learner.parts)
        parts: Any = optax.apply_updates(learner.parts, updates)
        target_critics: Any = optax.incremental_update(parts.critics, learner.target_critics, config.target_rate)
        return Learner(parts, target_critics, optimizer_state, learner.replay, key)

    @functools.partial(jax.jit, donate_argnums=0)
    def learn(learner: Learner, trajectory: _online.Trajectory) -> Learner:
        learner = learner._replace(replay=replay.add(learner.replay, trajectory))
        return jax.lax.cond(replay.is_ready(learner.replay), improve, lambda learner: learner, learner)

    return _online.Agent(init, act, learn)


def make_environment(name: str, seed: int = 0) -> GymnasiumAdapter:
    """Returns the environment of a name.

    Raises:
      ValueError: its actions are not vectors with finite bounds.
    """
    environment = GymnasiumAdapter(gymnasium.make(name), seed)
    spec = environment.action_spec()
    bounded = isinstance(spec, specs.BoundedArray) and np.all(np.isfinite([spec.minimum, spec.maximum]))
    if len(spec.shape) != 1 or not bounded:
        raise ValueError(f"--environment {name} has the actions {spec}, expected a vector with finite bounds.")
    return environment


def train(config: Config, report: Report = no_report, folder: pathlib.Path | None = None) -> Result:
    """Trains an agent.

    Args:
      config: The settings.
      report: Called after each step with the number of steps so far and the last evaluation's mean return.
      folder: Where to keep checkpoints, and to resume from; None for nowhere.

    Returns:
      The policy's parameters and how they came about.

    Raises:
      ValueError: a setting is out of its range, a reward is not finite, or there is nothing to resume.
    """
    config.check()
    action_spec: Any = make_environment(config.environment).action_spec()
    agent = make_agent(action_spec, config)
    return _online.train(
        agent,
        lambda seed: Lockstep([make_environment(config.environment, seed)]),
        config,
        report,
        exploration=lambda step: 2.0 if step < config.warm_up else 1.0,
        folder=folder,
    )


def describe(config: Config) -> Task:
    """Returns what the command tells of the task."""
    return Task(
        agent="Soft actor-critic",
        environment=config.environment,
        total=config.steps,
        unit="steps",
        solved=SOLVED,
        eval_episodes=config.eval_episodes,
        seed=config.seed,
        policy="mean action's",
    )


def main(config: Config) -> Result:
    """Trains with a progress bar, draws the learning curve and prints the summary."""
    return run_kept(config, describe, train)


if __name__ == "__main__":
    command(Config, main)
