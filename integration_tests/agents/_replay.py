"""The replay buffer of agents that learn from old transitions, by `flashbax`."""

from typing import Any, NamedTuple

import flashbax
import jax
import jax.numpy as jnp

from integration_tests.agents._online import Trajectory


class Transition(NamedTuple):
    """A step as the buffer holds it, and a batch of them as it gives them."""

    observation_tm1: Any
    action_tm1: Any
    reward_t: Any
    discount_t: Any
    observation_t: Any


class Replay(NamedTuple):
    """A buffer's pure functions.

    Attributes:
      size: How many transitions it holds; the oldest are dropped.
      warm_up: How many must be there before any is learned from.
      batch_size: How many are learned from at a time.
    """

    size: int
    warm_up: int
    batch_size: int

    def init(self, observation: jax.Array, action: jax.Array) -> Any:
        """Returns an empty buffer for observations and actions such as these."""
        state = self._buffer().init(Transition(observation, action, jnp.float32(0), jnp.float32(0), observation))
        # With dtypes of their own: a number that takes on others' dtypes does not come back so from a checkpoint.
        return jax.tree.map(lambda x: x.astype(x.dtype), state)

    def add(self, state: Any, trajectory: Trajectory) -> Any:
        """Returns the buffer with the one step of a trajectory of one environment."""
        return self._buffer().add(state, Transition(*(getattr(trajectory, name)[0, 0] for name in Transition._fields)))

    def sample(self, state: Any, key: jax.Array) -> Transition:
        """Returns a batch, drawn evenly with replacement."""
        return self._buffer().sample(state, key).experience

    def is_ready(self, state: Any) -> jax.Array:
        """Returns whether there is enough to learn from."""
        return self._buffer().can_sample(state)

    def _buffer(self) -> Any:
        return flashbax.make_item_buffer(self.size, max(self.warm_up, self.batch_size), self.batch_size)


def check_replay(config: Any) -> None:
    """Raises ValueError where the replay buffer is too small ever to be learned from."""
    least = max(config.batch_size, config.warm_up)
    if config.replay_size < least:
        raise ValueError(
            f"--replay-size is {config.replay_size}, expected at least {least}, the larger of --batch-size and "
            "--warm-up: learning begins when so many transitions are there."
        )
