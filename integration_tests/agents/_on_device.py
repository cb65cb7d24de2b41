"""The training loop of agents that live on the device: updates and evaluations in one compiled program."""

import contextlib
import dataclasses
import functools
import math
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from integration_tests.agents import _parallel
from integration_tests.agents._anakin import Actors, Trajectory
from integration_tests.agents._checkpoint import Checkpoints
from integration_tests.agents._command import (
    Report,
    Result,
    Task,
    check_positive,
    check_rewards,
    check_unit_interval,
    no_report,
)
from integration_tests.agents._distributed import Processes
from integration_tests.agents._parallel import Across


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all agents on the device can be told."""

    environment: str = "CartPole-v1"
    """The name of an environment of gymnax with discrete actions."""
    total_steps: int = 524_288
    """How many environment steps to train for."""
    num_envs: int = 64
    """How many environments are acted in at once."""
    rollout_steps: int = 128
    """How many steps each environment takes between updates."""
    hidden_units: int = 64
    """The size of both hidden layers of each network."""
    learning_rate: float = 2e-3
    """The step size of Adam at first; it falls linearly to 0."""
    max_gradient_norm: float = 0.5
    """The length that longer gradients are cut to."""
    discount: float = 0.99
    """The discount factor, per step."""
    evaluations: int = 16
    """How often to evaluate, evenly spread; the last time is at the end."""
    eval_episodes: int = 128
    """Episodes of an evaluation."""
    seed: int = 0
    """Seeds the network, the exploration and the environments."""
    out: pathlib.Path = pathlib.Path("runs/on_device")
    """The folder for learning_curve.png, params.safetensors and the checkpoints."""
    checkpoint_every: int = 0
    """Evaluations between checkpoints of all that training needs to go on; 0 for none."""
    resume: bool = False
    """Whether to go on from the newest checkpoint in the folder, where there is one."""
    devices: int = 1
    """How many devices share the environments out, of all processes together."""
    spread: Literal["sharding", "shard_map", "pmap"] = "shard_map"
    """How several devices work together: by sharded arrays, or by one program on each that averages the gradients."""

    def check(self) -> None:
        """Raises ValueError where a setting is out of its range."""
        names = ("total_steps", "num_envs", "rollout_steps", "hidden_units", "learning_rate", "max_gradient_norm")
        check_positive(self, *names, "evaluations", "eval_episodes", "devices")
        check_unit_interval(self, "discount")
        if self.checkpoint_every < 0:
            raise ValueError(f"--checkpoint-every is {self.checkpoint_every}, expected 0 or a positive number.")
        share = self.num_envs * self.rollout_steps * self.evaluations
        if self.total_steps % share:
            raise ValueError(
                f"--total-steps is {self.total_steps}, expected a multiple of --num-envs * --rollout-steps * "
                f"--evaluations = {share}, such as {math.ceil(self.total_steps / share) * share}."
            )
        if self.num_envs % self.devices:
            raise ValueError(f"--num-envs is {self.num_envs}, expected a multiple of --devices = {self.devices}.")

    @property
    def total_updates(self) -> int:
        """How many rollouts there are."""
        return self.total_steps // (self.num_envs * self.rollout_steps)


class Learner(NamedTuple):
    """All that training changes or needs to go on.

    Attributes:
      params: The networks' parameters.
      optimizer: The state of the optimiser.
      actors: The environments; the only field that devices share out.
      key: Seeds what does not belong to one environment.
      updates: How many updates there were.
      behaviour: The parameters that act, where they are not `params`.
      target: The target network's parameters, where there is one.
    """

    params: Any
    optimizer: optax.OptState
    actors: Actors
    key: jax.Array
    updates: jax.Array
    behaviour: Any = ()
    target: Any = ()


class Metrics(NamedTuple):
    """What an update tells.

    Attributes:
      train_return: The mean return of the episodes that were over in the rollout; NaN for none.
      bad_reward: A reward that is not finite, or 0.
    """

    train_return: jax.Array
    bad_reward: jax.Array


class Agent(NamedTuple):
    """An agent's pure functions.

    Attributes:
      init: `init(key) -> learner`.
      update: `update(learner, across) -> (learner, metrics)`, with `across` what devices do together.
      evaluate: `evaluate(params, key) -> mean return` of the policy that is to be judged.
    """

    init: Callable[[jax.Array], Learner]
    update: Callable[[Learner, Across], tuple[Learner, Metrics]]
    evaluate: Callable[[Any, jax.Array], jax.Array]


def make_optimizer(settings: Settings, steps: int) -> optax.GradientTransformation:
    """Returns Adam for some steps, whose step size falls to 0, with gradients of limited length."""
    schedule = optax.linear_schedule(settings.learning_rate, 0.0, steps)
    return optax.chain(optax.clip_by_global_norm(settings.max_gradient_norm), optax.adam(schedule, eps=1e-5))


def make_metrics(trajectory: Trajectory, across: Across) -> Metrics:
    """Returns what a rollout on all devices tells."""
    over = across.sum(jnp.sum(trajectory.done_t))
    returns = across.sum(jnp.sum(jnp.where(trajectory.done_t, trajectory.return_t, 0.0)))
    # The sum of what is not finite is not finite.
    bad = across.sum(jnp.sum(jnp.where(jnp.isfinite(trajectory.reward_t), 0.0, trajectory.reward_t)))
    return Metrics(returns / over, bad)


def descend(
    gradient: Callable[[Any, Any], Any],
    optimizer: optax.GradientTransformation,
    learner: Learner,
    data: Any,
    across: Across,
    *,
    epochs: int,
    minibatches: int,
) -> Learner:
    """Makes some passes over a rollout, in minibatches.

    A minibatch is a random part of the rollout's times, the same in all environments: so it is the same set of steps
    however the environments are spread over devices.

    Args:
      gradient: `gradient(params, batch)`, with `[steps, ...]` of what is in `data`.
      optimizer: Makes a step of a gradient.
      learner: What is known.
      data: Arrays `[T, B, ...]`.
      across: Averages the gradients of the devices.
      epochs: How many passes.
      minibatches: How many parts the times are in; divides `T`.

    Returns:
      The learner with other parameters.
    """
    # Environments first: they stay where they are when the steps of all of them are laid in one row, which makes for
    # faster matrix products than two rows.
    data = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), data)
    length = jax.tree.leaves(data)[0].shape[1]
    key = jax.random.fold_in(learner.key, learner.updates)

    def minibatch(carry: Any, times: jax.Array) -> tuple[Any, None]:
        params, state = carry
        batch = jax.tree.map(lambda x: x[:, times].reshape(-1, *x.shape[2:]), data)
        updates, state = optimizer.update(across.mean(gradient(params, batch)), state, params)
        return (optax.apply_updates(params, updates), state), None

    orders = jax.vmap(lambda key: jax.random.permutation(key, length))(jax.random.split(key, epochs))
    carry = learner.params, learner.optimizer
    (params, state), _ = jax.lax.scan(minibatch, carry, orders.reshape(epochs * minibatches, -1))
    return learner._replace(params=params, optimizer=state)


def make_advance(agent: Agent, settings: Settings, report: Report | None = None) -> Callable[..., Any]:
    """Returns `advance(learner, across, stretches) -> (learner, (metrics, scores))`, a loop to be compiled as a whole.

    A stretch is the updates between two evaluations, and the second one of these. `report` is called from the device
    after each.
    """
    updates = settings.total_updates // settings.evaluations
    eval_key = jax.random.key(settings.seed + 1)

    def advance(learner: Learner, across: Across, stretches: int) -> tuple[Learner, tuple[Metrics, jax.Array]]:
        def tell(done: Any, score: Any) -> None:
            if report is not None:
                report(int(done), float(score))

        def stretch(learner: Learner, _: None) -> tuple[Learner, tuple[Metrics, jax.Array]]:
            learner, metrics = jax.lax.scan(lambda learner, _: agent.update(learner, across), learner, length=updates)
            score = agent.evaluate(learner.params, eval_key)
            if report is not None:
                jax.debug.callback(tell, _steps(learner.updates, settings), score)
            return learner, (metrics, score)

        return jax.lax.scan(stretch, learner, length=stretches)

    return advance


def train(agent: Agent, settings: Settings, report: Report = no_report) -> Result:
    """Trains an agent, on one device or many.

    Without checkpoints and on one device, all of it is one call of one compiled program. Else each stretch from one
    evaluation to the next is.

    Args:
      agent: The agent, made for these settings.
      settings: The settings.
      report: Called after each evaluation with the number of steps so far and the mean return.

    Returns:
      The parameters and how they came about.

    Raises:
      ValueError: a setting is out of its range, there are too few devices, a checkpoint is of other settings, or a
        reward is not finite.
    """
    settings.check()
    start = time.perf_counter()
    in_one = settings.devices == 1 and not settings.checkpoint_every
    stretches = settings.evaluations if in_one else 1
    advance = make_advance(agent, settings, report if in_one and report is not no_report else None)
    spread = _parallel.spread(settings.spread, settings.devices)
    step = spread.compile(functools.partial(advance, stretches=stretches))
    learner = spread.place(agent.init, jax.random.key(settings.seed))
    train_returns = np.full([settings.evaluations, settings.total_updates // settings.evaluations], np.nan)
    scores = np.full(settings.evaluations, np.nan)
    done = 0
    with contextlib.ExitStack() as stack:
        checkpoints = None
        if settings.checkpoint_every or settings.resume:
            checkpoints = stack.enter_context(Checkpoints(settings.out / "checkpoints", _decisive(settings)))
        if checkpoints is not None and settings.resume and (newest := checkpoints.newest()) is not None:
            done = newest
            state = checkpoints.restore(newest, (learner, train_returns, scores))
            learner, train_returns, scores = state[0], *map(np.array, state[1:])
        while done < settings.evaluations:
            learner, (metrics, new_scores) = jax.block_until_ready(step(learner))
            metrics, new_scores = jax.tree.map(spread.fetch, (metrics, new_scores))
            now = slice(done, done + stretches)
            check_rewards(metrics.bad_reward, _steps(done * train_returns.shape[1], settings))
            train_returns[now], scores[now] = metrics.train_return, new_scores
            done += stretches
            if not in_one:
                report(_steps(done * train_returns.shape[1], settings), float(scores[done - 1]))
            if checkpoints is not None and settings.checkpoint_every and done % settings.checkpoint_every == 0:
                checkpoints.save(done, (learner, train_returns, scores))
    known = ~np.isnan(train_returns.ravel())
    steps = np.arange(1, settings.total_updates + 1) * (settings.total_steps // settings.total_updates)
    return Result(
        params=jax.tree.map(spread.fetch, learner.params),
        train_returns=train_returns.ravel()[known].tolist(),
        train_done=steps[known].tolist(),
        evaluations=[(int(steps[-1]) * (i + 1) // len(scores), float(score)) for i, score in enumerate(scores)],
        steps=settings.total_steps,
        seconds=time.perf_counter() - start,
    )


def describe(name: str, settings: Settings, solved: Mapping[str, float]) -> Task:
    """Returns what an agent's command tells of its task; `solved` has the return that solves each environment."""
    return Task(
        agent=name,
        environment=settings.environment,
        total=settings.total_steps,
        unit="steps",
        solved=solved.get(settings.environment, math.inf),
        eval_episodes=settings.eval_episodes,
        seed=settings.seed,
    )


def _steps(updates: Any, settings: Settings) -> Any:
    return updates * settings.num_envs * settings.rollout_steps


def _decisive(settings: Settings) -> dict[str, Any]:
    """The settings that a checkpoint must share with the run that goes on from it."""
    free = {"out", "checkpoint_every", "resume", *(field.name for field in dataclasses.fields(Processes))}
    return {name: value for name, value in dataclasses.asdict(settings).items() if name not in free}
