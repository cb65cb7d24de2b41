"""PopArt on two games of Catch at once, one with tiny rewards and one with huge ones that wants the ball missed.

    python -m integration_tests.agents.popart --help

Van Hasselt et al. (2016), "Learning values across many orders of magnitude", arXiv:1602.07714; Hessel et al. (2019),
arXiv:1809.04474. The games share the layers of a Q-network but the last, which has an output for each game. That layer
predicts normalised values; as the statistics that normalise them move, PopArt changes it so that its values stay the
same. Without it, the errors of the huge rewards leave nothing in the shared layers for the tiny ones.
"""

import dataclasses
import functools
import pathlib
from typing import Any, NamedTuple

import dm_env
import jax
import jax.numpy as jnp
import numpy as np
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

SOLVED = 0.9
"""The mean greedy return of the worse game that counts as solved, with rewards of size 1; the best possible is 1."""

HEAD = "head"
"""The name of the last layer."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_online.Settings):
    """Trains one Q-network on two games of very different rewards, and draws its learning curve."""

    steps: int = 14_400
    eval_every: int = 900
    reward_scales: tuple[float, float] = (0.1, -1000.0)
    """What the rewards of each game of Catch are multiplied with; below 0, the ball is to be missed."""
    popart: bool = True
    """Whether to normalise; without, to compare."""
    step_size: float = 0.01
    """How much of the way to new values the statistics go in a step."""
    unroll: int = 3
    """How many steps to learn from at a time."""
    hidden_units: int = 64
    """The size of the network's hidden layer."""
    learning_rate: float = 3e-3
    """The step size of Adam at first; it falls linearly to 0."""
    discount: float = 0.99
    """The discount factor, per step."""
    epsilon: float = 0.3
    """The probability of a random action at first; it falls to 0.02 by half of the steps."""
    rows: int = 10
    """The height of the board."""
    columns: int = 5
    """The width of the board."""
    out: pathlib.Path = pathlib.Path("runs/popart")

    def check(self) -> None:
        """Raises ValueError where a setting is out of its range."""
        check_positive(self, "unroll", "hidden_units", "learning_rate")
        self.check_schedule(self.unroll)
        check_unit_interval(self, "step_size", "discount", "epsilon")
        _online.check_board(self)
        if not all(np.isfinite(self.reward_scales)) or 0 in self.reward_scales:
            raise ValueError(f"--reward-scales is {self.reward_scales}, expected numbers other than 0.")


class ScaledCatch(Catch):
    """Catch with its rewards multiplied."""

    def __init__(self, scale: float, rows: int, columns: int, seed: int):
        super().__init__(rows, columns, seed)
        self._scale = scale

    def step(self, action: int) -> dm_env.TimeStep:
        """Takes a step of Catch."""
        timestep = super().step(action)
        return timestep if timestep.first() else timestep._replace(reward=self._scale * timestep.reward)

    def reward_spec(self) -> Any:
        """A number between the two multiples."""
        spec = super().reward_spec()
        return spec.replace(minimum=-abs(self._scale), maximum=abs(self._scale))


class Learner(NamedTuple):
    """What learning changes.

    Attributes:
      values: The network's parameters and the statistics; `params` of the agent, since its values depend on both.
      optimizer: The optimiser's state.
    """

    params: Any
    optimizer: optax.OptState


class Values(NamedTuple):
    """What the values depend on: the network's parameters, and the statistics of each game's values."""

    network: hk.Params
    statistics: rlax.PopArtState


def make_agent(num_actions: int, config: Config) -> _online.Agent:
    """Returns an agent for as many games as there are scales, with `num_actions` actions each."""
    games = len(config.reward_scales)

    def forward(board: jax.Array) -> jax.Array:
        # Features for each action, `[*B, A, H]`; so one linear layer gives a value for each action and game.
        width = config.hidden_units
        features = hk.nets.MLP([width, num_actions * width], activate_final=True)(hk.Flatten(preserve_dims=-2)(board))
        return hk.Linear(games, name=HEAD)(hk.Reshape([num_actions, width], preserve_dims=-1)(features))

    q_network = hk.transform(forward)
    optimizer = optax.adam(optax.linear_schedule(config.learning_rate, 0.0, config.steps // config.unroll))
    step_size = config.step_size if config.popart else 0.0
    init_statistics, update_statistics = rlax.popart(games, step_size, scale_lb=1e-4, scale_ub=1e6)

    def both(values: Values, board: jax.Array) -> rlax.PopArtOutput:
        """Returns the action values, normalised and not, `[*B, A]`, of boards whose last axis of `*B` is the game."""
        outputs = q_network.apply(values.network, board)
        game = jnp.broadcast_to(jnp.arange(games)[:, None], outputs.shape[:-1])
        return rlax.unnormalize_linear(values.statistics, outputs, game)

    @jax.jit
    def init(key: jax.Array, observation: jax.Array) -> Learner:
        params = q_network.init(key, observation)
        return Learner(Values(params, init_statistics()), optimizer.init(params))

    @jax.jit
    def act(
        values: Values, memory: Any, key: jax.Array, observation: jax.Array, first: jax.Array, epsilon: jax.Array
    ) -> tuple[jax.Array, Any, jax.Array]:
        del first  # The network has no memory to be cleared.
        key, sample_key = jax.random.split(key)
        return rlax.epsilon_greedy(epsilon).sample(sample_key, both(values, observation).unnormalized), memory, key

    def loss(network: hk.Params, statistics: Any, trajectory: _online.Trajectory, target: jax.Array) -> jax.Array:
        game = jnp.broadcast_to(jnp.arange(games), target.shape)
        q_tm1 = both(Values(network, statistics), trajectory.observation_tm1).normalized
        # With a discount of 0 the reward is all the target; both are normalised.
        target = rlax.normalize(statistics, target, game)
        return jnp.mean(rlax.l2_loss(rlax.q_learning(q_tm1, trajectory.action_tm1, target, 0.0, q_tm1)))

    @functools.partial(jax.jit, donate_argnums=0)
    def learn(learner: Learner, trajectory: _online.Trajectory) -> Learner:
        q_t = both(learner.params, trajectory.observation_t).unnormalized
        target = trajectory.reward_t + config.discount * trajectory.discount_t * jnp.max(q_t, axis=-1)
        game = jnp.broadcast_to(jnp.arange(games), target.shape)
        network, statistics = learner.params
        head, statistics = update_statistics(network[HEAD], statistics, target, game)
        network = {**network, HEAD: head}
        gradient = jax.grad(loss)(network, statistics, trajectory, target)
        updates, optimizer_state = optimizer.update(gradient, learner.optimizer, network)
        network: Any = optax.apply_updates(network, updates)
        return Learner(Values(network, statistics), optimizer_state)

    return _online.Agent(init, act, learn)


def train(config: Config, report: Report = no_report, folder: pathlib.Path | None = None) -> Result:
    """Trains an agent.

    Args:
      config: The settings.
      report: Called after each trajectory with the number of steps so far and the last evaluation's worse return.
      folder: Where to keep checkpoints, and to resume from; None for nowhere.

    Returns:
      The network's parameters and how they came about. Returns are divided by the size of the game's rewards.

    Raises:
      ValueError: a setting is out of its range, a reward is not finite, or there is nothing to resume.
    """
    config.check()

    def make_environments(seed: int) -> Lockstep:
        return Lockstep(
            [
                ScaledCatch(scale, config.rows, config.columns, _online.derived_seed(seed, game))
                for game, scale in enumerate(config.reward_scales)
            ]
        )

    result = _online.train(
        make_agent(Catch(config.rows, config.columns).action_spec().num_values, config),
        make_environments,
        config,
        report,
        unroll=config.unroll,
        exploration=_online.falling_epsilon(config.epsilon, config.steps),
        folder=folder,
        sizes=[abs(scale) for scale in config.reward_scales],
        score=lambda returns: float(np.min(returns)),
    )
    return result._replace(params=result.params.network)


def describe(config: Config) -> Task:
    """Returns what the command tells of the task."""
    return Task(
        agent="PopArt" if config.popart else "Without PopArt",
        environment="Catch",
        detail=f"with rewards times {' and '.join(f'{scale:g}' for scale in config.reward_scales)}",
        total=config.steps,
        unit="steps",
        solved=SOLVED,
        returns=(-1.05, 1.05),
        eval_episodes=config.eval_episodes,
        seed=config.seed,
        policy="the worse game's greedy",
    )


def main(config: Config) -> Result:
    """Trains with a progress bar, draws the learning curve and prints the summary."""
    return run_kept(config, describe, train)


if __name__ == "__main__":
    command(Config, main)
