"""Online Q-learning on Catch: a Q-network of `haiku_like`, trained by the maths of `rlax_like`.

    python -m integration_tests.agents.q_learning --help

The agent learns from each transition as it comes, without replay or target network. It explores by an epsilon-greedy
policy whose epsilon falls linearly, and is evaluated by its greedy policy.
"""

import dataclasses
import functools
import pathlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import dm_env
import jax
import jax.numpy as jnp
import numpy as np
import optax

import haiku_like as hk
import rlax_like as rlax
from integration_tests.agents._command import (
    Report,
    Result,
    Task,
    check_positive,
    check_rewards,
    check_unit_interval,
    command,
    no_report,
    run,
)
from integration_tests.environments.catch import Catch

SOLVED = 0.95
"""The mean greedy return that counts as solved; the best possible is 1."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Trains an online Q-learning agent on Catch, and draws its learning curve."""

    episodes: int = 2000
    """How many episodes to train for."""
    eval_every: int = 100
    """Episodes of training between evaluations."""
    eval_episodes: int = 100
    """Episodes of an evaluation."""
    hidden_units: int = 64
    """The size of the network's hidden layer."""
    learning_rate: float = 1e-3
    """The step size of Adam at first; it falls linearly to 0."""
    discount: float = 0.99
    """The discount factor, per step."""
    epsilon: float = 0.3
    """The probability of a random action at first; it falls to 0.02 by half of the episodes."""
    rows: int = 10
    """The height of the board."""
    columns: int = 5
    """The width of the board."""
    seed: int = 0
    """Seeds the network, the exploration and the environment."""
    out: pathlib.Path = pathlib.Path("runs/q_learning")
    """The folder for learning_curve.png and params.safetensors."""

    def check(self) -> None:
        """Raises ValueError where a setting is out of its range."""
        check_positive(self, "episodes", "eval_every", "eval_episodes", "hidden_units", "learning_rate")
        check_unit_interval(self, "discount", "epsilon")
        if self.rows < 2 or self.columns < 1:
            raise ValueError(f"--rows {self.rows} --columns {self.columns}, expected at least 2 rows and 1 column.")


class Transition(NamedTuple):
    """A batch of steps; every field has the batch as leading axis."""

    observation_tm1: Any
    action_tm1: Any
    reward_t: Any
    discount_t: Any
    observation_t: Any


class Learner(NamedTuple):
    """What learning changes."""

    params: hk.Params
    optimizer: optax.OptState


class Agent(NamedTuple):
    """The agent's pure functions, compiled.

    Attributes:
      init: `init(key, observation) -> learner`.
      explore: `explore(params, key, observation, epsilon) -> (action, key)`; epsilon 0 is the greedy policy.
      update: `update(learner, transition) -> (learner, loss)`.
    """

    init: Callable[..., Learner]
    explore: Callable[..., tuple[jax.Array, jax.Array]]
    update: Callable[..., tuple[Learner, jax.Array]]


def make_agent(num_actions: int, config: Config) -> Agent:
    """Returns an agent for an environment with `num_actions` actions."""
    q_network = hk.transform(
        lambda board: hk.Sequential([hk.Flatten(), hk.nets.MLP([config.hidden_units, num_actions])])(board)
    )
    total_steps = config.episodes * (config.rows - 1)
    optimizer = optax.adam(optax.linear_schedule(config.learning_rate, 0.0, total_steps))

    def init(key: jax.Array, observation: jax.Array) -> Learner:
        params = q_network.init(key, observation[None])
        return Learner(params, optimizer.init(params))

    @jax.jit
    def explore(
        params: hk.Params, key: jax.Array, observation: jax.Array, epsilon: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        key, sample_key = jax.random.split(key)
        (q,) = q_network.apply(params, observation[None])
        return rlax.epsilon_greedy(epsilon).sample(sample_key, q), key

    def loss(params: hk.Params, transition: Transition) -> jax.Array:
        q_tm1 = q_network.apply(params, transition.observation_tm1)
        q_t = q_network.apply(params, transition.observation_t)
        discount_t = config.discount * transition.discount_t
        td_error = rlax.q_learning(q_tm1, transition.action_tm1, transition.reward_t, discount_t, q_t)
        return jnp.mean(rlax.l2_loss(td_error))

    @functools.partial(jax.jit, donate_argnums=0)
    def update(learner: Learner, transition: Transition) -> tuple[Learner, jax.Array]:
        value, gradient = jax.value_and_grad(loss)(learner.params, transition)
        updates, optimizer_state = optimizer.update(gradient, learner.optimizer, learner.params)
        params: Any = optax.apply_updates(learner.params, updates)
        return Learner(params, optimizer_state), value

    return Agent(init, explore, update)


def evaluate(agent: Agent, params: hk.Params, environment: dm_env.Environment, episodes: int) -> float:
    """Returns the mean return of the greedy policy over some episodes."""
    key = jax.random.key(0)  # Only breaks ties.
    total = 0.0
    for _ in range(episodes):
        timestep = environment.reset()
        while not timestep.last():
            action, key = agent.explore(params, key, timestep.observation, 0.0)
            timestep = environment.step(int(action))
            total += timestep.reward
    return total / episodes


def train(config: Config, report: Report = no_report) -> Result:
    """Trains an agent.

    Args:
      config: The settings.
      report: Called after each episode with the number of episodes so far and the last evaluation's mean return.

    Returns:
      The parameters and how they came about.

    Raises:
      ValueError: a setting is out of its range.
    """
    config.check()
    start = time.perf_counter()
    environment = Catch(config.rows, config.columns, seed=config.seed)
    evaluation_environment = Catch(config.rows, config.columns, seed=config.seed + 1)
    agent = make_agent(environment.action_spec().num_values, config)
    init_key, key = jax.random.split(jax.random.key(config.seed))
    learner = agent.init(init_key, jnp.zeros(environment.observation_spec().shape))

    train_returns: list[float] = []
    evaluations: list[tuple[int, float]] = []
    steps = 0
    score = None
    for episode in range(1, config.episodes + 1):
        epsilon = np.float32(np.interp(episode, [0, config.episodes / 2], [config.epsilon, min(config.epsilon, 0.02)]))
        timestep = environment.reset()
        episode_return = 0.0
        while not timestep.last():
            action, key = agent.explore(learner.params, key, timestep.observation, epsilon)
            action = np.asarray(action)
            previous, timestep = timestep, environment.step(int(action))
            check_rewards(timestep.reward, steps)
            transition = Transition(
                observation_tm1=previous.observation[None],
                action_tm1=action[None],
                reward_t=np.array([timestep.reward], np.float32),
                discount_t=np.array([timestep.discount], np.float32),
                observation_t=timestep.observation[None],
            )
            learner, _ = agent.update(learner, transition)
            episode_return += timestep.reward
            steps += 1
        train_returns.append(episode_return)
        if episode % config.eval_every == 0 or episode == config.episodes:
            score = evaluate(agent, learner.params, evaluation_environment, config.eval_episodes)
            evaluations.append((episode, score))
        report(episode, score)
    return Result(learner.params, train_returns, evaluations, steps, time.perf_counter() - start)


def describe(config: Config) -> Task:
    """Returns what the command tells of the task."""
    return Task(
        agent="Online Q-learning",
        environment="Catch",
        detail=f"{config.rows} by {config.columns}",
        total=config.episodes,
        unit="episodes",
        solved=SOLVED,
        returns=(-1.05, 1.05),
        eval_episodes=config.eval_episodes,
        seed=config.seed,
    )


def main(config: Config) -> Result:
    """Trains with a progress bar, draws the learning curve and prints the summary."""
    config.check()
    return run(describe(config), functools.partial(train, config), config.out)


if __name__ == "__main__":
    command(Config, main)
