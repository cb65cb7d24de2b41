"""DQN on the device: replay, target network and double Q-learning, with all of training in one compiled program.

    python -m integration_tests.agents.anakin_dqn --help

Mnih et al. (2015), "Human-level control through deep reinforcement learning"; van Hasselt et al. (2016),
arXiv:1509.06461. Each environment keeps a replay buffer of its own, and every batch has as many transitions of one as
of another: so it does not matter how the environments are spread over devices.
"""

import dataclasses
import functools
import pathlib
from typing import Any, NamedTuple

import flashbax
import jax
import jax.numpy as jnp
import optax

import haiku_like as hk
import rlax_like as rlax
from integration_tests.agents import _on_device
from integration_tests.agents._anakin import evaluate, rollout, start
from integration_tests.agents._command import (
    Report,
    Result,
    check_positive,
    check_unit_interval,
    command,
    flag,
    no_report,
    run,
)
from integration_tests.agents._on_device import Agent, Learner, Metrics
from integration_tests.agents._parallel import Across
from integration_tests.agents._replay import Transition, check_replay
from integration_tests.environments import gymnax_adapter

SOLVED = {"CartPole-v1": 475.0}
"""The mean greedy return that counts as solved."""


@dataclasses.dataclass(frozen=True)
class Config(_on_device.Settings):
    """Trains a DQN agent on the device, and draws its learning curve."""

    rollout_steps: int = 8
    """How many steps each environment takes between updates."""
    learning_rate: float = 3e-3
    """The step size of Adam at first; it falls linearly to 0."""
    max_gradient_norm: float = 10.0
    """The length that longer gradients are cut to."""
    gradient_steps: int = 16
    """How many batches an update learns from, one after another."""
    batch_size: int = 128
    """How many transitions a batch has, as many of each environment."""
    replay_size: int = 131_072
    """How many transitions the replay buffers hold, as many of each environment."""
    warm_up: int = 2048
    """How many of them must be there before any is learnt from."""
    target_step: float = 0.2
    """How far each update moves the target network, from 0, not at all, to 1, all the way to the network."""
    epsilon: float = 1.0
    """The probability of a random action at first; it falls to --final-epsilon in the first quarter of training."""
    final_epsilon: float = 0.05
    """The probability of a random action later."""
    out: pathlib.Path = pathlib.Path("runs/anakin_dqn")
    """The folder for learning_curve.png, params.safetensors and the checkpoints."""

    def check(self) -> None:
        """Raises ValueError where a setting is out of its range."""
        super().check()
        check_positive(self, "gradient_steps", "batch_size", "replay_size", "warm_up", "target_step")
        check_unit_interval(self, "target_step", "epsilon", "final_epsilon")
        for name in ("batch_size", "replay_size"):
            if getattr(self, name) % self.num_envs:
                raise ValueError(
                    f"{flag(name)} is {getattr(self, name)}, expected a multiple of --num-envs = {self.num_envs}, as "
                    "each environment has a replay buffer of its own."
                )
        check_replay(self)
        least = max(self.num_envs * self.rollout_steps, self.gradient_steps * self.batch_size)
        if self.replay_size < least:
            raise ValueError(
                f"--replay-size is {self.replay_size}, expected at least {least}, the larger of --num-envs * "
                "--rollout-steps and --gradient-steps * --batch-size: an update adds the ones and draws the others."
            )


class Batch(NamedTuple):
    """What is learnt from; `[steps, ...]` in a batch."""

    transition: Transition
    target_q_t: jax.Array


def make_agent(config: Config) -> Agent:
    """Returns the agent's pure functions."""
    environment = gymnax_adapter.make(config.environment)
    optimizer = _on_device.make_optimizer(config, config.total_updates * config.gradient_steps)
    sizes = [config.hidden_units, config.hidden_units, environment.num_actions]
    q_network = hk.transform(lambda observation: hk.nets.MLP(sizes)(observation))
    # The buffer of one environment; what an update learns from is drawn at once.
    buffer = flashbax.make_item_buffer(
        max_length=config.replay_size // config.num_envs,
        min_length=1,
        sample_batch_size=config.gradient_steps * config.batch_size // config.num_envs,
        add_sequences=True,
    )

    def init(key: jax.Array) -> Learner:
        network_key, actors_key, key = jax.random.split(key, 3)
        actors = start(environment, actors_key, config.num_envs)
        params = q_network.init(network_key, actors.observation)
        number = jnp.zeros(config.num_envs)
        replay = jax.vmap(buffer.init)(
            Transition(actors.observation, number.astype(jnp.int32), number, number, actors.observation)
        )
        # With dtypes of their own: numbers that take on others' dtypes would come back from an update as others.
        replay = jax.tree.map(lambda x: x.astype(x.dtype), replay)
        actors = actors._replace(replay=replay)
        return Learner(params, optimizer.init(params), actors, key, jnp.int32(0), target=params)

    def loss(params: Any, batch: Batch) -> jax.Array:
        step = batch.transition
        q_tm1, q_t = (q_network.apply(params, seen) for seen in (step.observation_tm1, step.observation_t))
        errors = rlax.double_q_learning(
            q_tm1, step.action_tm1, step.reward_t, config.discount * step.discount_t, batch.target_q_t, q_t
        )
        return jnp.mean(rlax.l2_loss(errors))

    def update(learner: Learner, across: Across) -> tuple[Learner, Metrics]:
        q = functools.partial(q_network.apply, learner.params)
        progress = jnp.minimum(1.0, 4.0 * learner.updates / config.total_updates)
        epsilon = config.epsilon + (config.final_epsilon - config.epsilon) * progress

        def act(keys: jax.Array, observation: jax.Array) -> tuple[jax.Array, tuple[()]]:
            return jax.vmap(rlax.epsilon_greedy(epsilon).sample)(keys, q(observation)), ()

        actors, steps = rollout(environment, act, learner.actors, learner.updates, config.rollout_steps)
        new = Transition(*(jnp.swapaxes(getattr(steps, name), 0, 1) for name in Transition._fields))
        actors = actors._replace(replay=jax.vmap(buffer.add)(actors.replay, new))
        learner = learner._replace(actors=actors, updates=learner.updates + 1)
        enough = learner.updates * (config.num_envs * config.rollout_steps) >= config.warm_up
        learner = jax.lax.cond(enough, functools.partial(improve, across), lambda learner: learner, learner)
        return learner, _on_device.make_metrics(steps, across)

    def improve(across: Across, learner: Learner) -> Learner:
        # Rollouts have the numbers below.
        number = config.total_updates + learner.updates
        keys = jax.vmap(jax.random.fold_in, (0, None))(learner.actors.key, number)
        old = jax.vmap(buffer.sample, out_axes=1)(learner.actors.replay, keys).experience
        data = Batch(old, q_network.apply(learner.target, old.observation_t))
        learner = _on_device.descend(
            jax.grad(loss), optimizer, learner, data, across, epochs=1, minibatches=config.gradient_steps
        )
        return learner._replace(target=optax.incremental_update(learner.params, learner.target, config.target_step))

    def greedy_return(params: Any, key: jax.Array) -> jax.Array:
        return evaluate(environment, functools.partial(q_network.apply, params), key, config.eval_episodes)

    return Agent(init, update, greedy_return)


def train(config: Config, report: Report = no_report) -> Result:
    """Trains an agent; see `_on_device.train`."""
    config.check()
    return _on_device.train(make_agent(config), config, report)


def main(config: Config) -> Result:
    """Trains with a progress bar, draws the learning curve and prints the summary."""
    config.check()
    return run(_on_device.describe("DQN", config, SOLVED), functools.partial(train, config), config.out)


if __name__ == "__main__":
    command(Config, main)
