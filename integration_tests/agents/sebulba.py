"""IMPALA with actor threads on the host and a learner on the device ("Sebulba"), on CartPole of Gymnasium.

    python -m integration_tests.agents.sebulba --help

Espeholt et al. (2018), "IMPALA", arXiv:1802.01561; Hessel et al. (2021), "Podracer architectures", arXiv:2104.06272.
Each actor steps environments of its own with parameters that are a few updates old, and V-trace corrects for that. The
threads, their queues and how they end are in `_pipeline.py`.
"""

import dataclasses
import functools
import itertools
import pathlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
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
    run_kept,
)
from integration_tests.agents._online import derived_seed
from integration_tests.agents._pipeline import Link, Pipeline
from integration_tests.agents._resume import Standing

SOLVED = 475.0
"""The mean greedy return that counts as solved, of CartPole-v1; the best possible is 500."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Trains IMPALA with actor threads on a task of Gymnasium, and draws its learning curve."""

    environment: str = "CartPole-v1"
    """The name of a Gymnasium environment with discrete actions."""
    updates: int = 1000
    """How many updates to train for."""
    eval_every: int = 100
    """Updates between evaluations."""
    eval_episodes: int = 32
    """Episodes of an evaluation."""
    actors: int = 2
    """How many threads act."""
    environments: int = 8
    """How many environments each of them steps."""
    unroll: int = 20
    """How many steps of each environment an update learns from."""
    queue_size: int = 2
    """How many rollouts of an actor may wait, and so how many updates old its parameters may be."""
    hidden_units: int = 64
    """The size of each of the two hidden layers."""
    learning_rate: float = 2e-3
    """The step size of Adam at first; it falls linearly to 0."""
    reward_scale: float = 0.1
    """What rewards are multiplied with before they are learned from, so that values are neither tiny nor huge."""
    discount: float = 0.99
    """The discount factor, per step."""
    lambda_: float = 0.95
    """How much the targets rely on what follows; 1 is the V-trace of the paper."""
    entropy_cost: float = 0.01
    """The weight of the entropy, which keeps the policy random."""
    value_cost: float = 0.5
    """The weight of the value's error."""
    max_gradient_norm: float = 0.5
    """What the norm of a gradient is cut to."""
    seed: int = 0
    """Seeds the network, the actions and the environments."""
    out: pathlib.Path = pathlib.Path("runs/sebulba")
    """The folder for learning_curve.png and the checkpoints."""
    resume: bool = False
    """Goes on from the last checkpoint in the folder; one is written at each evaluation."""

    def check(self) -> None:
        """Raises ValueError where a setting is out of its range."""
        counts = ("updates", "eval_every", "eval_episodes", "actors", "environments", "unroll", "queue_size")
        check_positive(self, *counts, "hidden_units", "learning_rate", "max_gradient_norm", "reward_scale")
        check_unit_interval(self, "discount", "lambda_", "entropy_cost", "value_cost")


class Rollout(NamedTuple):
    """`T` steps of `B` environments, as an actor hands them to the learner.

    Attributes:
      observation: What was acted on, and after the last step what would be: `[T + 1, B, ...]`.
      action_tm1: The actions, `[T, B]`.
      logits_tm1: Their logits by the policy that acted, `[T, B, A]`.
      reward_t: The rewards, `[T, B]`.
      terminated_t: Whether the episode ended in the step, `[T, B]`.
      truncated_t: Whether it was only cut, `[T, B]`.
      valid_t: Whether it was a step at all: false where the environment passed from an old episode to a new one.
    """

    observation: Any
    action_tm1: Any
    logits_tm1: Any
    reward_t: Any
    terminated_t: Any
    truncated_t: Any
    valid_t: Any


class Learner(NamedTuple):
    """What learning changes."""

    params: hk.Params
    optimizer: optax.OptState


class Agent(NamedTuple):
    """The agent's pure functions, compiled.

    Attributes:
      init: `init(key, observation) -> learner`.
      act: `act(params, key, observation) -> (action, logits, key)`.
      greedy: `greedy(params, observation) -> action`.
      learn: `learn(learner, rollout) -> learner`. The learner given is not used up: actors still use its parameters.
    """

    init: Callable[..., Learner]
    act: Callable[..., tuple[jax.Array, jax.Array, jax.Array]]
    greedy: Callable[..., jax.Array]
    learn: Callable[..., Learner]


def make_agent(num_actions: int, config: Config) -> Agent:
    """Returns an agent for environments with `num_actions` actions."""

    def forward(observation: jax.Array) -> tuple[jax.Array, jax.Array]:
        hidden = [config.hidden_units] * 2
        logits = hk.nets.MLP([*hidden, num_actions], activation=jnp.tanh, name="policy")(observation)
        return logits, hk.nets.MLP([*hidden, 1], activation=jnp.tanh, name="value")(observation)[..., 0]

    network = hk.transform(forward)
    optimizer = optax.chain(
        optax.clip_by_global_norm(config.max_gradient_norm),
        optax.adam(optax.linear_schedule(config.learning_rate, 0.0, config.updates)),
    )

    @jax.jit
    def init(key: jax.Array, observation: jax.Array) -> Learner:
        params = network.init(key, observation)
        return Learner(params, optimizer.init(params))

    @jax.jit
    def act(params: hk.Params, key: jax.Array, observation: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        key, sample_key = jax.random.split(key)
        logits, _ = network.apply(params, observation)
        return rlax.softmax().sample(sample_key, logits), logits, key

    @jax.jit
    def greedy(params: hk.Params, observation: jax.Array) -> jax.Array:
        return jnp.argmax(network.apply(params, observation)[0], axis=-1)

    def loss(params: hk.Params, rollout: Rollout) -> jax.Array:
        logits, v = network.apply(params, rollout.observation)
        logits_tm1, v_tm1, v_t = logits[:-1], v[:-1], v[1:]
        valid = rollout.valid_t.astype(v.dtype)
        rho_tm1 = rlax.categorical_importance_sampling_ratios(logits_tm1, rollout.logits_tm1, rollout.action_tm1)
        out = rlax.vtrace_td_error_and_advantage(
            v_tm1,
            v_t,
            config.reward_scale * rollout.reward_t,
            config.discount * (1.0 - rollout.terminated_t),
            jax.lax.stop_gradient(rho_tm1),
            config.lambda_,
            sample_mask=rollout.valid_t,
            truncated_t=rollout.truncated_t,
        )
        policy_loss = rlax.policy_gradient_loss(logits_tm1, rollout.action_tm1, out.pg_advantage, valid)
        value_loss = jnp.mean(valid * rlax.l2_loss(out.errors), axis=0)
        entropy_loss = rlax.entropy_loss(logits_tm1, valid)
        return jnp.mean(policy_loss + config.value_cost * value_loss + config.entropy_cost * entropy_loss)

    @jax.jit
    def learn(learner: Learner, rollout: Rollout) -> Learner:
        gradient = jax.grad(loss)(learner.params, rollout)
        updates, optimizer_state = optimizer.update(gradient, learner.optimizer, learner.params)
        params: Any = optax.apply_updates(learner.params, updates)
        return Learner(params, optimizer_state)

    return Agent(init, act, greedy, learn)


def make_environments(config: Config, number: int, seed: int) -> gymnasium.vector.VectorEnv:
    """Returns `number` environments in one, already seeded."""
    # After the end of an episode, one step passes over to the next one; its action does not count.
    mode = {"autoreset_mode": gymnasium.vector.AutoresetMode.NEXT_STEP}
    environments = gymnasium.make_vec(config.environment, number, vectorization_mode="sync", vector_kwargs=mode)
    environments.reset(seed=seed)
    return environments


def act(link: Link, agent: Agent, config: Config, seed: int, done: int) -> None:
    """Makes a rollout for each set of parameters, until it is stopped: what each actor thread does.

    Args:
      link: Where parameters come from and rollouts go to.
      agent: The agent.
      config: The settings.
      seed: Seeds the environments and the actions.
      done: How many steps of training were done before, for the error message.

    Raises:
      ValueError: a reward is not finite.
    """
    environments = make_environments(config, config.environments, seed)
    observation, _ = environments.reset()
    key = jax.random.key(seed)
    over = np.zeros(config.environments, bool)
    total = np.zeros(config.environments)
    while True:
        params, rows, returns = link.order(), [], []
        for _ in range(config.unroll):
            action, logits, key = agent.act(params, key, jax.device_put(observation))
            action, logits = jax.device_get((action, logits))
            before, valid = observation, ~over
            observation, reward, terminated, truncated, _ = environments.step(action)
            check_rewards(reward, done)
            rows.append((before, action, logits, np.float32(reward), terminated, truncated, valid))
            over = terminated | truncated
            total = total + reward
            returns.extend(total[over])
            total[over] = 0.0
            done += 1
        columns = [np.stack(column) for column in zip(*rows, strict=True)]
        columns[0] = np.concatenate([columns[0], observation[None]])
        link.deliver((Rollout(*columns), returns))


def evaluate(agent: Agent, params: hk.Params, config: Config, seed: int) -> float:
    """Returns the mean return of the greedy policy over the first episodes of as many environments."""
    environments = make_environments(config, config.eval_episodes, seed)
    observation, _ = environments.reset()
    going_on = np.ones(config.eval_episodes, bool)
    total = np.zeros(config.eval_episodes)
    while np.any(going_on):
        action = jax.device_get(agent.greedy(params, jax.device_put(observation)))
        observation, reward, terminated, truncated, _ = environments.step(action)
        total += going_on * reward
        going_on &= ~(terminated | truncated)
    environments.close()
    return float(np.mean(total))


def train(config: Config, report: Report = no_report, folder: pathlib.Path | None = None) -> Result:
    """Trains an agent.

    Args:
      config: The settings.
      report: Called after each update with the number of updates so far and the last evaluation's mean return.
      folder: Where to keep checkpoints, and to resume from; None for nowhere.

    Returns:
      The network's parameters and how they came about.

    Raises:
      ValueError: a setting is out of its range, a reward is not finite, or there is nothing to resume.
    """
    config.check()
    start = time.perf_counter()
    environments = make_environments(config, 1, config.seed)
    if not isinstance(environments.single_action_space, gymnasium.spaces.Discrete):
        raise ValueError(
            f"--environment {config.environment} has the actions {environments.single_action_space}, expected Discrete."
        )
    agent = make_agent(int(environments.single_action_space.n), config)
    learner = agent.init(
        jax.random.key(config.seed), jnp.zeros([1, *(environments.single_observation_space.shape or ())])
    )
    environments.close()
    with Standing(folder, config) as standing:
        learner, update, history = standing.last(learner)
        while update < config.updates:
            # Each stretch between two evaluations has actors of its own, seeded by where it begins: so a run that was
            # resumed goes on as one never interrupted.
            actors = [
                functools.partial(
                    act,
                    agent=agent,
                    config=config,
                    seed=derived_seed(config.seed, update, actor),
                    done=update * config.unroll,
                )
                for actor in range(config.actors)
            ]
            with Pipeline(actors, config.queue_size) as pipeline:
                for _ in range(config.queue_size):
                    pipeline.publish(learner.params)
                for _ in range(min(config.eval_every, config.updates - update)):
                    rollouts, returns = zip(*pipeline.take(), strict=True)
                    rollout = jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *rollouts)
                    learner = agent.learn(learner, jax.device_put(rollout))
                    pipeline.publish(learner.params)
                    update += 1
                    for value in itertools.chain(*returns):
                        history.train_returns.append(float(value))
                        history.train_done.append(update)
                    report(update, history.score)
            score = evaluate(agent, learner.params, config, derived_seed(config.seed, update, config.actors))
            history.evaluations.append((update, score))
            report(update, score)
            standing.keep(learner, update, history)
    seconds = time.perf_counter() - start
    steps = update * config.unroll * config.environments * config.actors
    return Result(learner.params, history.train_returns, history.evaluations, steps, seconds, history.train_done)


def describe(config: Config) -> Task:
    """Returns what the command tells of the task."""
    return Task(
        agent="IMPALA with actor threads",
        environment=config.environment,
        total=config.updates,
        unit="updates",
        solved=SOLVED,
        eval_episodes=config.eval_episodes,
        seed=config.seed,
    )


def main(config: Config) -> Result:
    """Trains with a progress bar, draws the learning curve and prints the summary."""
    return run_kept(config, describe, train)


if __name__ == "__main__":
    command(Config, main)
