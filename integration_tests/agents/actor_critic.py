"""Online actor-critic with an LSTM core on a memory task.

    python -m integration_tests.agents.actor_critic --help

Mnih et al. (2016), arXiv:1602.01783, without the parallel actors: several environments take their steps together, and
after each few steps the policy and the value learn from them, by advantages of Schulman et al. (2016),
arXiv:1506.02438. The gradient goes back through the LSTM to the start of those steps; its state goes on from there.
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
from integration_tests.environments.lockstep import Lockstep
from integration_tests.environments.memory import Memory

SOLVED = 0.95
"""The mean return that counts as solved; the best possible is 1, and without memory it is `2 / num_cues - 1`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_online.Settings):
    """Trains an actor-critic with an LSTM core to recall a cue, and draws its learning curve."""

    steps: int = 6000
    eval_every: int = 500
    eval_episodes: int = 96
    unroll: int = 20
    """How many steps to learn from at a time."""
    environments: int = 16
    """How many environments take their steps together."""
    hidden_units: int = 32
    """The size of the LSTM."""
    learning_rate: float = 3e-3
    """The step size of Adam."""
    discount: float = 0.99
    """The discount factor, per step."""
    gae_lambda: float = 0.95
    """The mixture of advantages: 0 is the one-step error, 1 the whole return."""
    entropy_cost: float = 0.01
    """The weight of the entropy, which keeps the policy random."""
    value_cost: float = 0.5
    """The weight of the value's error."""
    max_gradient_norm: float = 1.0
    """What the norm of a gradient is cut to."""
    num_cues: int = 3
    """How many cues there are."""
    delay: int = 10
    """How many steps after the cue it is asked for."""
    out: pathlib.Path = pathlib.Path("runs/actor_critic")

    def check(self) -> None:
        """Raises ValueError where a setting is out of its range."""
        check_positive(self, "unroll", "environments", "hidden_units", "learning_rate", "max_gradient_norm")
        self.check_schedule(self.unroll)
        check_unit_interval(self, "discount", "gae_lambda", "entropy_cost", "value_cost")
        if self.num_cues < 2 or self.delay < 1:
            raise ValueError(f"--num-cues {self.num_cues} --delay {self.delay}, expected at least 2 cues and 1 step.")


class Learner(NamedTuple):
    """What learning changes."""

    params: hk.Params
    optimizer: optax.OptState


def make_agent(num_actions: int, config: Config) -> _online.Agent:
    """Returns an agent for environments with `num_actions` actions."""

    def forward(observation: jax.Array, first: jax.Array, state: Any) -> tuple[tuple[jax.Array, jax.Array], Any]:
        # One unroll runs over the ends of episodes: the core starts anew where `first` says so.
        core = hk.ResetCore(hk.LSTM(config.hidden_units))
        hidden, state = hk.dynamic_unroll(core, (observation, first), state)
        return (hk.Linear(num_actions, name="logits")(hidden), hk.Linear(1, name="value")(hidden)[..., 0]), state

    network = hk.transform(forward)
    initial_state = hk.transform(lambda: hk.LSTM(config.hidden_units).initial_state(config.environments)).apply({})
    optimizer = optax.chain(optax.clip_by_global_norm(config.max_gradient_norm), optax.adam(config.learning_rate))

    @jax.jit
    def init(key: jax.Array, observation: jax.Array) -> Learner:
        params = network.init(key, observation[None], jnp.ones([1, len(observation)], bool), initial_state)
        return Learner(params, optimizer.init(params))

    @jax.jit
    def act(
        params: hk.Params, memory: Any, key: jax.Array, observation: jax.Array, first: jax.Array, exploration: jax.Array
    ) -> tuple[jax.Array, Any, jax.Array]:
        key, sample_key = jax.random.split(key)
        (logits, _), memory = network.apply(params, observation[None], first[None], memory)
        sampled = rlax.softmax().sample(sample_key, logits[0])
        return jnp.where(exploration > 0, sampled, jnp.argmax(logits[0], axis=-1)), memory, key

    def loss(params: hk.Params, trajectory: _online.Trajectory) -> jax.Array:
        (logits, v_tm1), memory = network.apply(
            params, trajectory.observation_tm1, trajectory.first_tm1, trajectory.memory
        )
        # The state after the last step belongs to its observation: what the other steps reached is in `v_tm1` already.
        goes_on = jnp.zeros_like(trajectory.first_tm1[:1])
        (_, last_v_t), _ = network.apply(params, trajectory.observation_t[-1:], goes_on, memory)
        v_t = jnp.concatenate([v_tm1[1:], last_v_t])
        advantages = rlax.generalized_advantage_estimation(
            trajectory.reward_t, config.discount * trajectory.discount_t, v_tm1, v_t, config.gae_lambda
        )
        policy_loss = rlax.policy_gradient_loss(logits, trajectory.action_tm1, advantages, 1.0)
        value_loss = rlax.l2_loss(v_tm1, jax.lax.stop_gradient(v_tm1) + advantages)
        entropy_loss = rlax.entropy_loss(logits, 1.0)
        return jnp.mean(policy_loss + config.entropy_cost * entropy_loss) + config.value_cost * jnp.mean(value_loss)

    @functools.partial(jax.jit, donate_argnums=0)
    def learn(learner: Learner, trajectory: _online.Trajectory) -> Learner:
        gradient = jax.grad(loss)(learner.params, trajectory)
        updates, optimizer_state = optimizer.update(gradient, learner.optimizer, learner.params)
        params: Any = optax.apply_updates(learner.params, updates)
        return Learner(params, optimizer_state)

    return _online.Agent(init, act, learn, initial_state)


def train(config: Config, report: Report = no_report, folder: pathlib.Path | None = None) -> Result:
    """Trains an agent.

    Args:
      config: The settings.
      report: Called after each unroll with the number of steps so far and the last evaluation's mean return.
      folder: Where to keep checkpoints, and to resume from; None for nowhere.

    Returns:
      The network's parameters and how they came about.

    Raises:
      ValueError: a setting is out of its range, a reward is not finite, or there is nothing to resume.
    """
    config.check()

    def make_environments(seed: int) -> Lockstep:
        seeds = (_online.derived_seed(seed, index) for index in range(config.environments))
        return Lockstep([Memory(config.num_cues, config.delay, seed) for seed in seeds])

    return _online.train(
        make_agent(config.num_cues, config), make_environments, config, report, unroll=config.unroll, folder=folder
    )


def describe(config: Config) -> Task:
    """Returns what the command tells of the task."""
    return Task(
        agent="Actor-critic with an LSTM",
        environment="Memory",
        detail=f"of {config.num_cues} cues for {config.delay} steps",
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
