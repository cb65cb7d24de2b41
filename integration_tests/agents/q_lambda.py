"""Online Q(lambda) on Catch: it learns from each short trajectory as it comes, without replay or target network.

    python -m integration_tests.agents.q_lambda --help

Peng and Williams (1994), "Incremental multi-step Q-learning". A reward reaches all the steps of its trajectory at once,
where Q-learning hands it back one step at a time.
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
from integration_tests.environments.catch import Catch
from integration_tests.environments.lockstep import Lockstep

SOLVED = 0.95
"""The mean greedy return that counts as solved; the best possible is 1."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_online.Settings):
    """Trains an online Q(lambda) agent on Catch, and draws its learning curve."""

    steps: int = 6000
    eval_every: int = 500
    unroll: int = 5
    """How many steps to learn from at a time."""
    lambda_: float = 0.8
    """How much a return relies on what follows: 0 is Q-learning, 1 the rewards of the whole trajectory."""
    hidden_units: int = 64
    """The size of the network's hidden layer."""
    learning_rate: float = 2e-3
    """The step size of Adam at first; it falls linearly to 0."""
    discount: float = 0.99
    """The discount factor, per step."""
    epsilon: float = 0.3
    """The probability of a random action at first; it falls to 0.02 by half of the steps."""
    rows: int = 10
    """The height of the board."""
    columns: int = 5
    """The width of the board."""
    out: pathlib.Path = pathlib.Path("runs/q_lambda")

    def check(self) -> None:
        """Raises ValueError where a setting is out of its range."""
        check_positive(self, "unroll", "hidden_units", "learning_rate")
        self.check_schedule(self.unroll)
        check_unit_interval(self, "lambda_", "discount", "epsilon")
        _online.check_board(self)


class Learner(NamedTuple):
    """What learning changes."""

    params: hk.Params
    optimizer: optax.OptState


def make_agent(num_actions: int, config: Config) -> _online.Agent:
    """Returns an agent for an environment with `num_actions` actions."""
    q_network = hk.transform(
        lambda board: hk.Sequential([hk.Flatten(preserve_dims=-2), hk.nets.MLP([config.hidden_units, num_actions])])(
            board
        )
    )
    optimizer = optax.adam(optax.linear_schedule(config.learning_rate, 0.0, config.steps // config.unroll))

    @jax.jit
    def init(key: jax.Array, observation: jax.Array) -> Learner:
        params = q_network.init(key, observation)
        return Learner(params, optimizer.init(params))

    @jax.jit
    def act(
        params: hk.Params, memory: Any, key: jax.Array, observation: jax.Array, first: jax.Array, epsilon: jax.Array
    ) -> tuple[jax.Array, Any, jax.Array]:
        del first  # The network has no memory to be cleared.
        key, sample_key = jax.random.split(key)
        q = q_network.apply(params, observation)
        return rlax.epsilon_greedy(epsilon).sample(sample_key, q), memory, key

    def loss(params: hk.Params, trajectory: _online.Trajectory) -> jax.Array:
        td_error = rlax.q_lambda(
            q_network.apply(params, trajectory.observation_tm1),
            trajectory.action_tm1,
            trajectory.reward_t,
            config.discount * trajectory.discount_t,
            q_network.apply(params, trajectory.observation_t),
            config.lambda_,
            truncated_t=trajectory.truncated_t,
        )
        return jnp.mean(rlax.l2_loss(td_error))

    @functools.partial(jax.jit, donate_argnums=0)
    def learn(learner: Learner, trajectory: _online.Trajectory) -> Learner:
        gradient = jax.grad(loss)(learner.params, trajectory)
        updates, optimizer_state = optimizer.update(gradient, learner.optimizer, learner.params)
        params: Any = optax.apply_updates(learner.params, updates)
        return Learner(params, optimizer_state)

    return _online.Agent(init, act, learn)


def train(config: Config, report: Report = no_report, folder: pathlib.Path | None = None) -> Result:
    """Trains an agent.

    Args:
      config: The settings.
      report: Called after each trajectory with the number of steps so far and the last evaluation's mean return.
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
        unroll=config.unroll,
        exploration=_online.falling_epsilon(config.epsilon, config.steps),
        folder=folder,
    )


def describe(config: Config) -> Task:
    """Returns what the command tells of the task."""
    return Task(
        agent="Online Q(lambda)",
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
