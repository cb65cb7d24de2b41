"""Agents whose whole training is one compiled program, each run in a process of its own.

Beside rejax, in an environment of its own: both have the same networks, environments, rollouts and numbers of gradient
steps, and play 128 episodes at the end. Step sizes are each one's own: those with which it learns. Then PPO alone on
more and more devices, with as many environments on each.
"""

import functools
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import uv

from benchmarks.case import Case
from benchmarks.timing import SLOW_ROUNDS, Measured

OURS = "both libraries"

REJAX = ("rejax==0.1.3", "gymnax<1", "six")
"""What the peer's environment has; six is what gymnax imports and does not require."""

TRAINING = """
import json, sys, time, jax
steps, seed = map(int, sys.argv[1:3])
{make}
learner = start(jax.random.key(0))
begin = time.perf_counter()
train = train.lower(learner).compile()
compiled = time.perf_counter() - begin
learner = jax.block_until_ready(start(jax.random.key(seed)))
begin = time.perf_counter()
score = float(fetch(jax.block_until_ready(train(learner))))
print(json.dumps([compiled, time.perf_counter() - begin, score]))
"""

ON_ONE = """
from integration_tests.agents import _on_device, {module} as module
from integration_tests.agents._parallel import Across
config = module.Config(total_steps=steps, evaluations=1)
agent = module.make_agent(config)
advance = _on_device.make_advance(agent, config)
start, fetch = lambda key: key, lambda score: score
train = jax.jit(lambda key: advance(agent.init(key), Across(), 1)[1][1][0])
"""

ON_MANY = """
import functools
from integration_tests.agents import _on_device, _parallel, ppo
config = ppo.Config(total_steps=steps, evaluations=1, num_envs=64 * {devices}, devices={devices}, spread="{way}")
agent = ppo.make_agent(config)
spread = _parallel.spread("{way}", {devices})
start = functools.partial(spread.place, agent.init)
train = spread.compile(functools.partial(_on_device.make_advance(agent, config), stretches=1))
fetch = lambda results: spread.fetch(results[1][1])[0]
"""

OF_REJAX = """
import rejax
agent = rejax.{algorithm}.create(
    env="CartPole-v1", total_timesteps=steps, eval_freq=steps, skip_initial_evaluation=True, gamma=0.99, {settings}
)
start, fetch = lambda key: key, lambda score: score
train = jax.jit(lambda key: agent.train(key)[1][1][-1].mean())
"""

SETTINGS = {
    "PPO": """
    num_envs=64, num_steps=128, num_epochs=4, num_minibatches=4, learning_rate=1e-3, max_grad_norm=0.5, gae_lambda=0.95,
    agent_kwargs=dict(hidden_layer_sizes=(64, 64), activation="tanh"),
""",
    "DQN": """
    num_envs=64, num_epochs=2, batch_size=128, buffer_size=131_072, fill_buffer=2048, learning_rate=3e-3,
    polyak=0.97, max_grad_norm=10.0, exploration_fraction=0.25, agent_kwargs=dict(activation="relu"),
""",
}
"""What rejax's agents are told: the sizes that are ours by default."""

MODULES = {"PPO": "ppo", "DQN": "anakin_dqn"}
"""Where ours are."""


class Trained(NamedTuple):
    """What a training run took, in seconds, and the mean return at its end."""

    compilation: float
    training: float
    score: float


def beside_rejax(tiny: bool) -> Iterator[Case]:
    """Training and compilation of PPO and DQN, beside rejax."""
    for algorithm, settings in SETTINGS.items():
        programs = {
            OURS: (_own_python, ON_ONE.format(module=MODULES[algorithm])),
            "rejax": (_python_of_rejax, OF_REJAX.format(algorithm=algorithm, settings=settings)),
        }
        yield from _training(algorithm, 8192 if tiny else 524_288, programs, tiny)


def over_devices(tiny: bool) -> Iterator[Case]:
    """PPO on one device, two, four and so on, with 64 environments on each, by each way to spread it."""
    on_cpu = jax.default_backend() == "cpu"
    # On CPU a device is a core.
    most = 2 if tiny else (os.cpu_count() or 1) if on_cpu else jax.local_device_count()
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={most}"
    env = {"XLA_FLAGS": flags} if on_cpu else {}
    for devices in (2**i for i in range(most.bit_length())):
        steps = devices * (8192 if tiny else 524_288)
        ways = ("pmap",) if tiny else ("shard_map", "pmap", "sharding") if devices > 1 else ("shard_map",)
        runs = {
            way: functools.partial(_train, _own_python, ON_MANY.format(devices=devices, way=way), steps, env=env)
            for way in ways
        }
        yield Case(
            f"PPO, training on {devices} device{'s' if devices > 1 else ''}, 64 environments on each",
            ways[0],
            {way: _times(run, "training") for way, run in runs.items()},
            "devices",
            once=True,
            steps=steps,
        )


def _training(title: str, steps: int, programs: dict[str, tuple[Callable[[], str], str]], tiny: bool) -> Iterator[Case]:
    """Yields the cases of an agent, given the Python and the program of each contestant."""
    runs = {
        name: functools.cache(functools.partial(_train, python, program, steps))
        for name, (python, program) in programs.items()
    }

    def check_learning() -> None:
        # A run tells the times of all cases; those of both take turns.
        scores: dict[str, list[float]] = {name: [] for name in programs}
        for seed in range(1 if tiny else SLOW_ROUNDS):
            for name, run in runs.items():
                scores[name].append(run(seed).score)
        ours, theirs = (statistics.fmean(scores[name]) for name in (OURS, "rejax"))
        if not tiny and ours < 0.95 * theirs:
            raise RuntimeError(f"{title}: the mean return is {ours:.0f}, expected that of rejax, {theirs:.0f}.")

    for field in ("training", "compilation"):
        contestants = {name: _times(run, field) for name, run in runs.items()}
        name = f"{title}, {field} for {steps} steps of CartPole"
        of_steps = steps if field == "training" else None
        yield Case(name, OURS, contestants, "training", once=True, prepare=check_learning, steps=of_steps)


def _times(run: Callable[[int], Trained], field: str) -> Callable[[], Measured]:
    """Returns a contestant that takes the next seed each time."""
    seeds = itertools.count()
    return lambda: Measured(getattr(run(next(seeds)), field))


def _train(
    python: Callable[[], str], program: str, steps: int, seed: int, *, env: dict[str, str] | None = None
) -> Trained:
    command = [python(), "-W", "ignore", "-c", TRAINING.format(make=program), str(steps), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})})
    if done.returncode:
        raise RuntimeError(f"on_device: a training failed: {done.stderr.strip()[-2000:]}")
    return Trained(*json.loads(done.stdout))


def _own_python() -> str:
    return sys.executable


@functools.cache
def _python_of_rejax() -> str:
    folder = pathlib.Path(tempfile.gettempdir()) / "benchmarks_rejax"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    for command in (
        [uv.find_uv_bin(), "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder)],
        [uv.find_uv_bin(), "pip", "install", "--quiet", "--python", str(python), *_jax_with_its_device(), *REJAX],
    ):
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"on_device: uv did not make the environment of rejax: {error.stderr}") from error
    return str(python)


def _jax_with_its_device() -> tuple[str, ...]:
    """Returns the requirement of a jax that has what the device needs, of the version that ours has."""
    extra = {"gpu": "[cuda12]", "tpu": "[tpu]"}.get(jax.default_backend(), "")
    return (f"jax{extra}=={jax.__version__}",)
