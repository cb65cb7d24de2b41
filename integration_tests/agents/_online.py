"""The loop of the agents that learn as they act: collect a few steps, learn from them, evaluate now and then."""

import dataclasses
import math
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

import haiku_like as hk
from integration_tests.agents._command import (
    Report,
    Result,
    check_positive,
    check_rewards,
    flag,
    no_report,
)
from integration_tests.agents._resume import Standing
from integration_tests.environments.lockstep import Lockstep


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What such an agent's Config has besides its own settings. Steps are counted in each environment."""

    steps: int
    """How many steps to train for."""
    eval_every: int
    """Steps of training between evaluations."""
    eval_episodes: int = 100
    """Episodes of an evaluation."""
    seed: int = 0
    """Seeds the network, the exploration and the environments."""
    out: pathlib.Path
    """The folder for learning_curve.png and the checkpoints."""
    resume: bool = False
    """Goes on from the last checkpoint in the folder; one is written at each evaluation."""

    def check_schedule(self, unroll: int = 1) -> None:
        """Raises ValueError where the steps are out of range, or do not come out even in unrolls."""
        check_positive(self, "steps", "eval_every", "eval_episodes")
        for name in ("steps", "eval_every"):
            if getattr(self, name) % unroll:
                raise ValueError(
                    f"{flag(name)} is {getattr(self, name)}, expected a multiple of {unroll}, the steps learned from "
                    "at a time."
                )


class Trajectory(NamedTuple):
    """`T` steps of `B` environments.

    Attributes:
      observation_tm1: What was acted on, `[T, B, ...]`.
      first_tm1: Whether an episode began there, `[T, B]`.
      action_tm1: The actions, `[T, B]` or `[T, B, D]`.
      reward_t: The rewards, `[T, B]`.
      discount_t: The environments' discounts, `[T, B]`: 0 where an episode ended.
      truncated_t: Whether an episode was cut after the step, without an end, `[T, B]`.
      observation_t: What the steps reached, `[T, B, ...]`.
      memory: The recurrent state before the first step, `[B, ...]`, or `()`.
    """

    observation_tm1: Any
    first_tm1: Any
    action_tm1: Any
    reward_t: Any
    discount_t: Any
    truncated_t: Any
    observation_t: Any
    memory: Any


class Agent(NamedTuple):
    """An agent's pure functions, compiled.

    Attributes:
      init: `init(key, observation) -> learner`, from a first batch of observations `[B, ...]`. A learner is a pytree
        of arrays, with the parameters that the policy depends on as `params`.
      act: `act(params, memory, key, observation, first, exploration) -> (action, memory, key)`. An exploration of 0
        is the policy to evaluate.
      learn: `learn(learner, trajectory) -> learner`; the learner given is used up.
      memory: The recurrent state at first, `[B, ...]`, or `()`.
    """

    init: Callable[..., Any]
    act: Callable[..., tuple[jax.Array, Any, jax.Array]]
    learn: Callable[..., Any]
    memory: Any = ()


class Actor:
    """Steps environments by an agent's policy, from the start of an episode in each.

    Nothing goes between host and device but the observations and the actions, and they explicitly: any other transfer
    is refused.
    """

    def __init__(self, agent: Agent, environments: Lockstep, key: jax.Array):
        self._agent = agent
        self._environments = environments
        self._observation = environments.reset()
        self._first = np.ones(len(self._observation), bool)
        self._memory = jax.device_put(agent.memory)
        self._key = key

    @property
    def key(self) -> jax.Array:
        """The key of the next action."""
        return self._key

    def collect(self, params: hk.Params, exploration: float, length: int, done: int) -> Trajectory:
        """Takes some steps, and returns them.

        Args:
          params: The policy's parameters.
          exploration: How much to explore.
          length: The number of steps.
          done: How many steps of training were done before, for the error message.

        Raises:
          ValueError: a reward is not finite.
        """
        memory, rows = self._memory, []
        with jax.transfer_guard("disallow"):
            exploring = jax.device_put(np.float32(exploration))
            for t in range(length):
                observation, first = self._observation, self._first
                inputs = jax.device_put((observation, first))
                action, self._memory, self._key = self._agent.act(params, self._memory, self._key, *inputs, exploring)
                action = jax.device_get(action)
                steps = self._environments.step(action)
                check_rewards(steps.reward_t, done + t)
                truncated = steps.last_t & (steps.discount_t > 0)
                rows.append((observation, first, action, *steps[:2], truncated, steps.observation_t))
                self._observation, self._first = steps.observation, steps.last_t
            columns = [np.stack(column) for column in zip(*rows, strict=True)]
            return Trajectory(*jax.device_put(columns), memory=memory)


def evaluate(agent: Agent, params: hk.Params, environments: Lockstep, episodes: int, done: int) -> np.ndarray:
    """Returns the mean return in each environment, `[B]`, of a policy that does not explore.

    Each environment plays the same number of episodes, at least `episodes` in all, so that short ones do not count for
    more.
    """
    actor = Actor(agent, environments, jax.random.key(0))
    count = math.ceil(episodes / len(environments.episode_returns))
    while min(map(len, environments.episode_returns)) < count:
        actor.collect(params, 0.0, 1, done)
    return np.array([np.mean(returns[:count]) for returns in environments.episode_returns])


def train(
    agent: Agent,
    make_environments: Callable[[int], Lockstep],
    settings: Settings,
    report: Report = no_report,
    *,
    unroll: int = 1,
    exploration: Callable[[int], float] = lambda step: 1.0,
    sizes: Sequence[float] | None = None,
    score: Callable[[np.ndarray], float] = lambda returns: float(np.mean(returns)),
    folder: pathlib.Path | None = None,
) -> Result:
    """Trains an agent.

    Args:
      agent: The agent.
      make_environments: Makes the environments from a seed, those of training and those of an evaluation.
      settings: How long, and how often what.
      report: Called after each unroll with the number of steps so far and the last evaluation's score.
      unroll: How many steps to learn from at a time.
      exploration: The exploration in a step.
      sizes: What the returns of each environment are divided by in what is reported; None for 1.
      score: Makes a number of the mean returns in each environment.
      folder: Where to keep checkpoints, and to resume from; None for nowhere.

    Returns:
      The parameters and how they came about.

    Raises:
      ValueError: a reward is not finite, or there is nothing to resume.
    """
    start = time.perf_counter()
    init_key, key = jax.random.split(jax.random.key(settings.seed))
    environments = make_environments(0)
    learner = agent.init(init_key, jax.device_put(environments.reset()))
    environments.close()
    size = np.broadcast_to(1.0 if sizes is None else sizes, len(environments.episode_returns))
    with Standing(folder, settings) as standing:
        (learner, key), step, history = standing.last((learner, key))
        while step < settings.steps:
            # Each stretch between two evaluations has environments of its own, seeded by where it begins: so a run that
            # was resumed goes on as one never interrupted, though no checkpoint has an environment's random state.
            environments = make_environments(derived_seed(settings.seed, step))
            actor = Actor(agent, environments, key)
            counted = [0] * len(size)
            stop = min(step + settings.eval_every, settings.steps)
            while step < stop:
                trajectory = actor.collect(learner.params, exploration(step), unroll, step)
                learner = agent.learn(learner, trajectory)
                step += unroll
                for index, returns in enumerate(environments.episode_returns):
                    history.train_returns.extend(value / size[index] for value in returns[counted[index] :])
                    history.train_done.extend([step] * (len(returns) - counted[index]))
                    counted[index] = len(returns)
                report(step, history.score)
            key = actor.key
            environments.close()
            environments = make_environments(derived_seed(settings.seed, step, 1))
            returns = evaluate(agent, learner.params, environments, settings.eval_episodes, step)
            environments.close()
            history.evaluations.append((step, score(returns / size)))
            report(step, history.score)
            standing.keep((learner, key), step, history)
    seconds = time.perf_counter() - start
    return Result(
        learner.params, history.train_returns, history.evaluations, step * len(size), seconds, history.train_done
    )


def falling_epsilon(epsilon: float, steps: int) -> Callable[[int], float]:
    """Returns an exploration that falls linearly from `epsilon` to 0.02 by half of the steps."""
    return lambda step: float(np.interp(step, [0, steps / 2], [epsilon, min(epsilon, 0.02)]))


def check_board(config: Any) -> None:
    """Raises ValueError where the board of Catch is too small."""
    if config.rows < 2 or config.columns < 1:
        raise ValueError(f"--rows {config.rows} --columns {config.columns}, expected at least 2 rows and 1 column.")


def derived_seed(*numbers: int) -> int:
    """Returns a seed that depends on all the numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
