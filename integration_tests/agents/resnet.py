"""A residual network on handwritten digits, on replicas whose BatchNorm counts the whole batch.

    python -m integration_tests.agents.resnet --help
    XLA_FLAGS=--xla_force_host_platform_device_count=8 python -m integration_tests.agents.resnet --replicas 8

He et al. (2015), arXiv:1512.03385, narrow and without the first strides, for images of 8 by 8. Under `jax.pmap`, each
replica has the same parameters and its share of the batch; gradients are averaged, and BatchNorm takes its statistics
over all replicas: so all of it equals one device with the joined batch.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import sklearn.datasets

import haiku_like as hk
from integration_tests.agents import _supervised
from integration_tests.agents._command import Report, Result, Task, check_positive, command, no_report, run_kept

SOLVED = 0.95
"""The share of test images that must be told right to count as solved."""

TEST_IMAGES = 360
"""How many of the 1797 images are kept for the test."""

REPLICAS = "replicas"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_supervised.Settings):
    """Trains a residual network to tell handwritten digits, and draws its learning curve."""

    steps: int = 400
    eval_every: int = 50
    batch_size: int = 64
    learning_rate: float = 0.1
    blocks: int = 1
    """How many blocks each of the four groups has; 2 make a ResNet-18."""
    channels: int = 16
    """The channels of the first group; each next one has twice as many. 64 make a ResNet-18."""
    replicas: int = 1
    """How many devices share the batch."""
    out: pathlib.Path = pathlib.Path("runs/resnet")

    def check(self) -> None:
        """Raises ValueError where a setting is out of its range, or does not come out even on the devices."""
        self.check_schedule()
        check_positive(self, "blocks", "channels", "replicas")
        _supervised.check_devices(self.replicas, f"--replicas {self.replicas}")
        if self.batch_size % self.replicas:
            raise ValueError(
                f"--batch-size is {self.batch_size}, expected a multiple of --replicas, which is {self.replicas}."
            )


class State(NamedTuple):
    """What learning changes; every array has the replicas as leading axis.

    Attributes:
      params: The network's parameters.
      averages: BatchNorm's running averages.
      optimizer: The optimiser's state.
    """

    params: hk.Params
    averages: hk.State
    optimizer: optax.OptState


class Program(NamedTuple):
    """The compiled functions.

    Attributes:
      init: `init(key) -> state`, the same on each replica.
      learn: `learn(state, (images, labels)) -> (state, accuracy)`; the state given is used up.
      accuracy: `accuracy(params, averages, images, labels)`, on one device.
      place: Shares the batch out: `(images, labels)`, each with the replicas as leading axis.
    """

    init: Callable[..., State]
    learn: Callable[..., tuple[State, jax.Array]]
    accuracy: Callable[..., jax.Array]
    place: Callable[..., Any]


def make_program(config: Config) -> Program:
    """Returns the compiled functions on the replicas that the settings ask for."""
    devices = jax.devices()[: config.replicas]

    def forward(images: jax.Array, is_training: bool, axis: str | None = REPLICAS) -> jax.Array:
        return hk.nets.ResNet(
            blocks_per_group=[config.blocks] * 4,
            num_classes=10,
            bn_config={"cross_replica_axis": axis},
            bottleneck=False,
            channels_per_group=[config.channels * 2**group for group in range(4)],
            use_projection=[False, True, True, True],
            initial_conv_config={"output_channels": config.channels, "kernel_shape": 3, "stride": 1},
        )(images, is_training)

    network = hk.transform_with_state(forward)
    schedule = optax.cosine_decay_schedule(config.learning_rate, config.steps)
    optimizer = optax.chain(optax.add_decayed_weights(1e-4), optax.sgd(schedule, momentum=0.9))

    @jax.jit
    def init_one(key: jax.Array) -> State:
        # Outside pmap there is no axis to average over; the variables are the same.
        params, averages = network.init(key, jnp.zeros([2, 8, 8, 1]), True, axis=None)
        return State(params, averages, optimizer.init(params))

    def init(key: jax.Array) -> State:
        state = jax.device_get(init_one(key))
        return on_each(jax.tree.map(lambda x: np.broadcast_to(x, (config.replicas, *x.shape)), state))

    on_each = jax.pmap(lambda x: x, axis_name=REPLICAS, devices=devices)  # Puts a row of each array on each device.

    def loss(params: hk.Params, averages: hk.State, images: jax.Array, labels: jax.Array) -> tuple[jax.Array, Any]:
        logits, averages = network.apply(params, averages, None, images, True)
        errors = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return jnp.mean(errors), (averages, jnp.mean(jnp.argmax(logits, axis=-1) == labels))

    @functools.partial(jax.pmap, axis_name=REPLICAS, devices=devices, donate_argnums=0)
    def learn(state: State, batch: tuple[jax.Array, jax.Array]) -> tuple[State, jax.Array]:
        gradient, (averages, accuracy) = jax.grad(loss, has_aux=True)(state.params, state.averages, *batch)
        gradient, accuracy = jax.lax.pmean((gradient, accuracy), REPLICAS)
        updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.params)
        params: Any = optax.apply_updates(state.params, updates)
        return State(params, averages, optimizer_state), accuracy

    @jax.jit
    def accuracy(params: hk.Params, averages: hk.State, images: jax.Array, labels: jax.Array) -> jax.Array:
        logits, _ = network.apply(params, averages, None, images, False)
        return jnp.mean(jnp.argmax(logits, axis=-1) == labels)

    def share_out(batch: Any) -> Any:
        return on_each(jax.tree.map(lambda x: x.reshape(config.replicas, -1, *x.shape[1:]), batch))

    return Program(init, learn, accuracy, share_out)


def first_replica(tree: Any) -> Any:
    """Returns the arrays of the first replica, on the host."""
    return jax.tree.map(lambda x: np.asarray(x[0]), tree)


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Returns the images, `[1797, 8, 8, 1]` in [0, 1], and the labels of the digits that scikit-learn brings along."""
    loaded: Any = sklearn.datasets.load_digits(return_X_y=True)
    images, labels = loaded
    return (images / 16).astype(np.float32).reshape(-1, 8, 8, 1), labels.astype(np.int32)


def train(config: Config, report: Report = no_report, folder: pathlib.Path | None = None) -> Result:
    """Trains a residual network.

    Args:
      config: The settings.
      report: Called after each step with the number of steps so far and the last evaluation's accuracy.
      folder: Where to keep checkpoints, and to resume from; None for nowhere.

    Returns:
      The network's parameters and how they came about; in place of returns, accuracies.

    Raises:
      ValueError: a setting is out of its range, there are too few devices, or there is nothing to resume.
    """
    config.check()
    program = make_program(config)
    images, labels = load_digits()

    def batch(random: np.random.Generator) -> Any:
        chosen = random.integers(TEST_IMAGES, len(images), size=config.batch_size)
        return program.place((images[chosen], labels[chosen]))

    def evaluate(state: State) -> float:
        params, averages = first_replica((state.params, state.averages))
        return float(program.accuracy(params, averages, images[:TEST_IMAGES], labels[:TEST_IMAGES]))

    return _supervised.train(
        config,
        program.init(jax.random.key(config.seed)),
        batch,
        program.learn,
        evaluate,
        lambda state: first_replica(state.params),
        report,
        folder,
    )


def describe(config: Config) -> Task:
    """Returns what the command tells of the task."""
    return Task(
        agent="A residual network",
        environment="digits",
        detail=f"with {config.replicas} replica{'s' * (config.replicas > 1)}",
        total=config.steps,
        unit="steps",
        solved=SOLVED,
        returns=(0.0, 1.05),
        eval_episodes=TEST_IMAGES,
        seed=config.seed,
        policy="test",
        measure="accuracy",
        counted="images",
    )


def main(config: Config) -> Result:
    """Trains with a progress bar, draws the learning curve and prints the summary."""
    return run_kept(config, describe, train)


if __name__ == "__main__":
    command(Config, main)
