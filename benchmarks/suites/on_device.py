"""PPO whose whole training is one compiled program, beside rejax, each in a process and an environment of its own.

Both train two networks of 64-64 tanh units on CartPole, in 64 environments of 128 steps, with 4 epochs of 4
minibatches, and play 128 episodes at the end. Step sizes are each one's own: those with which it learns.
"""

import functools
import itertools
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmarks.case import Case
from benchmarks.timing import SLOW_ROUNDS, Measured

REJAX = ("rejax==0.1.3", "gymnax<1", "six")
"""What the peer's environment has; six is what gymnax imports and does not require."""

TRAINING = """
import json, sys, time, jax
steps, seed = map(int, sys.argv[1:])
{make}
start = time.perf_counter()
train = jax.jit(train).lower(jax.random.key(0)).compile()
compiled = time.perf_counter() - start
start = time.perf_counter()
score = float(jax.block_until_ready(train(jax.random.key(seed))))
print(json.dumps([compiled, time.perf_counter() - start, score]))
"""

OURS = """
from integration_tests.agents import _on_device, ppo
from integration_tests.agents._parallel import Across
config = ppo.Config(total_steps=steps, evaluations=1)
agent = ppo.make_agent(config)
advance = _on_device.make_advance(agent, config)
train = lambda key: advance(agent.init(key), Across(), 1)[1][1][0]
"""

THEIRS = """
import rejax
agent = rejax.PPO.create(
    env="CartPole-v1", num_envs=64, num_steps=128, num_epochs=4, num_minibatches=4, total_timesteps=steps,
    eval_freq=steps, skip_initial_evaluation=True, learning_rate=1e-3, max_grad_norm=0.5, gamma=0.99, gae_lambda=0.95,
    agent_kwargs=dict(hidden_layer_sizes=(64, 64), activation="tanh"),
)
train = lambda key: agent.train(key)[1][1][-1].mean()
"""


class Trained(NamedTuple):
    """What a training run took, in seconds, and the mean return at its end."""

    compilation: float
    training: float
    score: float


def on_device(tiny: bool) -> Iterator[Case]:
    """Training and compilation of PPO, beside rejax."""
    steps, seeds = (8192, 1) if tiny else (524_288, SLOW_ROUNDS)
    programs = {"both libraries": OURS, "rejax": THEIRS}

    @functools.cache
    def train(name: str, seed: int) -> Trained:
        python = _python_of_rejax() if name == "rejax" else sys.executable
        command = [python, "-W", "ignore", "-c", TRAINING.format(make=programs[name]), str(steps), str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"on_device: {name} did not train: {done.stderr.strip()[-2000:]}")
        return Trained(*json.loads(done.stdout))

    def check_learning() -> None:
        # A run tells the times of all cases; those of both take turns.
        scores = {name: [] for name in programs}
        for seed in range(seeds):
            for name in programs:
                scores[name].append(train(name, seed).score)
        ours, theirs = map(statistics.fmean, scores.values())
        if not tiny and ours < 0.95 * theirs:
            raise RuntimeError(f"on_device: the mean return is {ours:.0f}, expected that of rejax, {theirs:.0f}.")

    def timed(name: str, field: str) -> Callable[[], Measured]:
        seed = itertools.count()
        return lambda: Measured(getattr(train(name, next(seed)), field))

    for field in ("training", "compilation"):
        contestants = {name: timed(name, field) for name in programs}
        title = f"PPO, {field} for {steps} steps of CartPole"
        yield Case(title, "both libraries", contestants, once=True, prepare=check_learning)


@functools.cache
def _python_of_rejax() -> str:
    folder = pathlib.Path(tempfile.gettempdir()) / "benchmarks_rejax"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    for command in (
        ["uv", "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder)],
        ["uv", "pip", "install", "--quiet", "--python", str(python), *REJAX],
    ):
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise RuntimeError("on_device: there is no uv, which makes the environment of rejax; install it.") from None
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"on_device: uv did not make the environment of rejax: {error.stderr}") from error
    return str(python)
