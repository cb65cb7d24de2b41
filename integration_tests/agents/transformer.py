"""A small transformer that learns to copy, on a mesh of data by model; no parameter is ever whole on one device.

    python -m integration_tests.agents.transformer --help
    XLA_FLAGS=--xla_force_host_platform_device_count=8 python -m integration_tests.agents.transformer --data 2 --model 4

Vaswani et al. (2017), "Attention is all you need", with the layers stacked (`hk.layer_stack`), so that one is compiled
for all, and computed again for the gradient (`hk.remat`), so that one is in memory at a time. Shoeybi et al. (2019),
"Megatron-LM", arXiv:1909.08053, tells which axis of which matrix to share out.
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
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import haiku_like as hk
from integration_tests.agents import _supervised
from integration_tests.agents._command import Report, Result, Task, check_positive, command, no_report, run_kept

SOLVED = 0.99
"""The share of copied tokens that must be right to count as solved; by chance, 1 in `vocabulary` is."""

DATA, MODEL = "data", "model"

SPLIT_INPUTS = ("attention/linear", "down")
"""The layers whose inputs are shared out over the model axis, and not their outputs: those that end a block."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_supervised.Settings):
    """Trains a transformer to copy random tokens, and draws its learning curve."""

    steps: int = 600
    eval_every: int = 100
    batch_size: int = 64
    learning_rate: float = 3e-3
    layers: int = 2
    """How many layers there are."""
    heads: int = 4
    """How many attention heads each has."""
    model_size: int = 64
    """The size of the vectors between the layers."""
    vocabulary: int = 16
    """How many tokens there are."""
    length: int = 8
    """How many of them are to be copied."""
    data: int = 1
    """How many groups of devices share the batch."""
    model: int = 1
    """How many devices share each parameter."""
    out: pathlib.Path = pathlib.Path("runs/transformer")

    def check(self) -> None:
        """Raises ValueError where a setting is out of its range, or does not come out even on the devices."""
        self.check_schedule()
        check_positive(self, "layers", "heads", "model_size", "vocabulary", "length", "data", "model")
        _supervised.check_devices(self.data * self.model, f"--data {self.data} --model {self.model}")
        parts = (("model_size", "heads"), ("model_size", "model"), ("vocabulary", "model"), ("heads", "model"))
        for whole, part in (*parts, ("batch_size", "data")):
            if getattr(self, whole) % getattr(self, part):
                raise ValueError(
                    f"--{whole.replace('_', '-')} is {getattr(self, whole)}, expected a multiple of --{part}, which is "
                    f"{getattr(self, part)}."
                )


class State(NamedTuple):
    """What learning changes."""

    params: hk.Params
    optimizer: optax.OptState


class Program(NamedTuple):
    """The compiled functions.

    Attributes:
      init: `init(key) -> state`, on its devices.
      learn: `learn(state, tokens) -> (state, accuracy)`; the state given is used up.
      accuracy: `accuracy(params, tokens)`, of the copied tokens.
      place: Puts tokens `[N, 2 length]` on their devices.
    """

    init: Callable[..., State]
    learn: Callable[..., tuple[State, jax.Array]]
    accuracy: Callable[..., jax.Array]
    place: Callable[[np.ndarray], jax.Array]


def forward(tokens: jax.Array, config: Config) -> jax.Array:
    """Returns the logits of each next token, `[N, T, vocabulary]`, of tokens `[N, T]`."""
    size, time = config.model_size, tokens.shape[1]
    init = hk.initializers.VarianceScaling(1.0 / config.layers)
    positions = hk.get_parameter("positions", [2 * config.length, size], init=hk.initializers.TruncatedNormal(0.1))
    causal = jnp.tril(jnp.ones([1, 1, time, time], bool))

    def norm(x: jax.Array, name: str) -> jax.Array:
        return hk.LayerNorm(axis=-1, create_scale=True, create_offset=True, name=name)(x)

    def layer(x: jax.Array) -> jax.Array:
        attention = hk.MultiHeadAttention(config.heads, size // config.heads, w_init=init, name="attention")
        normed = norm(x, "attention_norm")
        x = x + attention(normed, normed, normed, mask=causal)
        hidden = jax.nn.gelu(hk.Linear(4 * size, name="up")(norm(x, "norm")))
        return x + hk.Linear(size, w_init=init, name="down")(hidden)

    x = hk.Embed(config.vocabulary, size, name="embed")(tokens) + positions[:time]
    x = hk.layer_stack(config.layers, name="layers")(hk.remat(layer))(x)
    return hk.Linear(config.vocabulary, name="logits")(norm(x, "last_norm"))


def spec_of(path: tuple[Any, ...], leaf: Any) -> PartitionSpec:
    """Returns how an array of the state is shared out: over the model axis, by its last axis or the one before."""
    names = [key.key for key in path if isinstance(key, jax.tree_util.DictKey)]
    if not names:
        return PartitionSpec()  # The optimiser's count.
    axes: list[str | None] = [None] * leaf.ndim
    splits_inputs = names[-1] == "w" and names[-2].endswith(SPLIT_INPUTS)
    axes[-2 if splits_inputs else -1] = MODEL
    return PartitionSpec(*axes)


def make_program(config: Config) -> Program:
    """Returns the compiled functions on the mesh that the settings ask for."""
    network = hk.transform(functools.partial(forward, config=config))
    optimizer = optax.adamw(optax.cosine_decay_schedule(config.learning_rate, config.steps), weight_decay=1e-4)
    devices = np.array(jax.devices()[: config.data * config.model]).reshape(config.data, config.model)
    mesh = Mesh(devices, (DATA, MODEL))
    by_rows = NamedSharding(mesh, PartitionSpec(DATA))

    def init(key: jax.Array) -> State:
        params = network.init(key, jnp.zeros([1, 2 * config.length - 1], int))
        return State(params, optimizer.init(params))

    shapes = jax.eval_shape(init, jax.random.key(0))
    shardings = jax.tree_util.tree_map_with_path(lambda path, x: NamedSharding(mesh, spec_of(path, x)), shapes)

    def loss(params: hk.Params, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
        # What is copied starts after as many tokens; what comes before cannot be foretold.
        logits = network.apply(params, tokens[:, :-1])[:, config.length - 1 :]
        targets = tokens[:, config.length :]
        errors = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
        return jnp.mean(errors), jnp.mean(jnp.argmax(logits, axis=-1) == targets)

    @functools.partial(jax.jit, donate_argnums=0, out_shardings=(shardings, NamedSharding(mesh, PartitionSpec())))
    def learn(state: State, tokens: jax.Array) -> tuple[State, jax.Array]:
        gradient, accuracy = jax.grad(loss, has_aux=True)(state.params, tokens)
        updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.params)
        params: Any = optax.apply_updates(state.params, updates)
        return State(params, optimizer_state), accuracy

    accuracy = jax.jit(lambda params, tokens: loss(params, tokens)[1])
    return Program(
        jax.jit(init, out_shardings=shardings), learn, accuracy, lambda tokens: jax.device_put(tokens, by_rows)
    )


def draw_tokens(random: np.random.Generator, number: int, config: Config) -> np.ndarray:
    """Returns examples, `[number, 2 length]`: random tokens and then the same once more."""
    tokens = random.integers(config.vocabulary, size=[number, config.length], dtype=np.int32)
    return np.concatenate([tokens, tokens], axis=1)


def train(config: Config, report: Report = no_report, folder: pathlib.Path | None = None) -> Result:
    """Trains a transformer.

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
    examples = draw_tokens(np.random.default_rng([config.seed, 0, 1]), config.batch_size * 4, config)
    others = program.place(examples)
    return _supervised.train(
        config,
        program.init(jax.random.key(config.seed)),
        lambda random: program.place(draw_tokens(random, config.batch_size, config)),
        program.learn,
        lambda state: float(program.accuracy(state.params, others)),
        lambda state: state.params,
        report,
        folder,
    )


def describe(config: Config) -> Task:
    """Returns what the command tells of the task."""
    return Task(
        agent="A transformer",
        environment="copying",
        detail=f"{config.length} of {config.vocabulary} tokens",
        total=config.steps,
        unit="steps",
        solved=SOLVED,
        returns=(0.0, 1.05),
        eval_episodes=config.batch_size * 4,
        seed=config.seed,
        policy="copied tokens'",
        measure="accuracy",
        counted="examples",
    )


def main(config: Config) -> Result:
    """Trains with a progress bar, draws the learning curve and prints the summary."""
    return run_kept(config, describe, train)


if __name__ == "__main__":
    command(Config, main)
