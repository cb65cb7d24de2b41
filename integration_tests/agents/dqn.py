"""DQN on Catch: replay by `flashbax`, a target network, double Q-learning by `rlax_like`.

    python -m integration_tests.agents.dqn --help

Mnih et al. (2015), "Human-level control through deep reinforcement learning"; van Hasselt et al. (2016),
arXiv:1509.06461. Each transition is put into the replay buffer, and each step learns from a batch of old ones, all in
one compiled function.
"""

import dataclasses
import functools
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

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
from integration_tests.environments.catch import Catch
from integration_tests.environments.lockstep import Lockstep

SOLVED = 0.95
"""The mean greedy return that counts as solved; the best possible is 1."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_online.Settings):
    """Trains a DQN agent on Catch, and draws its learning curve."""

    steps: int = 4000
    eval_every: int = 500
    hidden_units: int = 64
    """The size of the network's hidden layer."""
    learning_rate: float = 1e-3
    """The step size of Adam."""
    discount: float = 0.99
    """The discount factor, per step."""
    epsilon: float = 0.3
    """The probability of a random action at first; it falls to 0.02 by half of the steps."""
    replay_size: int = 5000
    """How many transitions the replay buffer holds."""
    batch_size: int = 32
    """How many of them a step learns from."""
    warm_up: int = 200
    """How many steps to take before learning."""
    target_period: int = 100
    """Steps between copies of the network to the target network."""
    rows: int = 10
    """The height of the board."""
    columns: int = 5
    """The width of the board."""
    out: pathlib.Path = pathlib.Path("runs/dqn")

    def check(self) -> None:
        """Raises ValueError where a setting is out of its range."""
        self.check_schedule()
        check_positive(self, "hidden_units", "learning_rate", "replay_size", "batch_size", "warm_up", "target_period")
        check_unit_interval(self, "discount", "epsilon")
        check_replay(self)
        _online.check_board(self)


class Learner(NamedTuple):
    """What learning changes.

    Attributes:
      params: The network's parameters.
      target_params: Those of the target network.
      optimizer: The optimiser's state.
      replay: The replay buffer.
      key: The key of the next batch.
      steps: Steps so far.
    """

    params: hk.Params
    target_params: hk.Params
    optimizer: optax.OptState
    replay: Any
    key: jax.Array
    steps: jax.Array


def make_agent(num_actions: int, config: Config) -> _online.Agent:
    """Returns an agent for an environment with `num_actions` actions."""
    q_network = hk.transform(
        lambda board: hk.Sequential([hk.Flatten(), hk.nets.MLP([config.hidden_units, num_actions])])(board)
    )
    optimizer = optax.adam(config.learning_rate)
    replay = Replay(config.replay_size, config.warm_up, config.batch_size)

    @jax.jit
    def init(key: jax.Array, observation: jax.Array) -> Learner:
        init_key, key = jax.random.split(key)
        params = q_network.init(init_key, observation)
        # The target network starts equal, but in arrays of its own: learning uses up the arrays that it is given.
        target_params = jax.tree.map(jnp.copy, params)
        return Learner(
            params, target_params, optimizer.init(params), replay.init(observation[0], jnp.int32(0)), key, jnp.int32(0)
        )

    @jax.jit
    def act(
        params: hk.Params, memory: Any, key: jax.Array, observation: jax.Array, first: jax.Array, epsilon: jax.Array
    ) -> tuple[jax.Array, Any, jax.Array]:
        del first  # The network has no memory to be cleared.
        key, sample_key = jax.random.split(key)
        q = q_network.apply(params, observation)
        return rlax.epsilon_greedy(epsilon).sample(sample_key, q), memory, key

    def loss(params: hk.Params, target_params: hk.Params, batch: Transition) -> jax.Array:
        q_tm1 = q_network.apply(params, batch.observation_tm1)
        q_t = q_network.apply(params, batch.observation_t)
        target_q_t = q_network.apply(target_params, batch.observation_t)
        discount_t = config.discount * batch.discount_t
        td_error = rlax.double_q_learning(q_tm1, batch.action_tm1, batch.reward_t, discount_t, target_q_t, q_t)
        return jnp.mean(rlax.l2_loss(td_error))

    def improve(learner: Learner) -> Learner:
        key, sample_key = jax.random.split(learner.key)
        batch = replay.sample(learner.replay, sample_key)
        gradient = jax.grad(loss)(learner.params, learner.target_params, batch)
        updates, optimizer_state = optimizer.update(gradient, learner.optimizer, learner.params)
        params: Any = optax.apply_updates(learner.params, updates)
        target_params = rlax.periodic_update(params, learner.target_params, learner.steps, config.target_period)
        return learner._replace(params=params, target_params=target_params, optimizer=optimizer_state, key=key)

    @functools.partial(jax.jit, donate_argnums=0)
    def learn(learner: Learner, trajectory: _online.Trajectory) -> Learner:
        replayed = replay.add(learner.replay, trajectory)
        learner = learner._replace(replay=replayed, steps=learner.steps + 1)
        return jax.lax.cond(replay.is_ready(replayed), improve, lambda learner: learner, learner)

    return _online.Agent(init, act, learn)


def train(config: Config, report: Report = no_report, folder: pathlib.Path | None = None) -> Result:
    """Trains an agent.

    Args:
      config: The settings.
      report: Called after each step with the number of steps so far and the last evaluation's mean return.
      folder: Where to keep checkpoints, and to resume from; None for nowhere.

    Returns:
      The network's parameters and how they came about.

    Raises:
      ValueError: a setting is out of its range, a reward is not finite, or there is nothing to resume.
    """
    config.check()
    agent = make_agent(Catch(config.rows, config.columns).action_spec().num_values, config)
    return _online.train(
        agent,
        lambda seed: Lockstep([Catch(config.rows, config.columns, seed)]),
        config,
        report,
        exploration=_online.falling_epsilon(config.epsilon, config.steps),
        folder=folder,
    )


def describe(config: Config) -> Task:
    """Returns what the command tells of the task."""
    return Task(
        agent="DQN",
        environment="Catch",
        detail=f"{config.rows} by {config.columns}",
        total=config.steps,
        unit="steps",
        solved=SOLVED,
        returns=(-1.05, 1.05),
        eval_episodes=config.eval_episodes,
        seed=config.seed,
    )


def main(config: Config) -> Result:
    """Trains with a progress bar, draws the learning curve and prints the summary."""
    return run_kept(config, describe, train)


if __name__ == "__main__":
    command(Config, main)
