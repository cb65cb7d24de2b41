"""What is measured: each case is a set of contestants that do the same work."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import haiku as dm_haiku
import jax
import jax.numpy as jnp
import numpy as np

import haiku_like
import rlax_like
from integration_tests.agents import q_learning

with warnings.catch_warnings(action="ignore"):
    import rlax

HAND = "hand-written"


class Case(NamedTuple):
    """Some functions that do the same work.

    Attributes:
      name: What is measured.
      ours: The name of our contestant.
      contestants: Functions without arguments, by name.
    """

    name: str
    ours: str
    contestants: dict[str, Callable[[], Any]]


def modules(tiny: bool) -> Iterator[Case]:
    """A stack of Linear layers: the cost of modules over hand-written JAX."""
    depth, size = (5, 8) if tiny else (200, 64)
    x = jnp.ones([8, size])

    def stack(library: Any) -> Callable[[Any], Any]:
        return lambda x: library.Sequential([library.Linear(size) for _ in range(depth)])(x)

    ours = haiku_like.transform(stack(haiku_like))
    theirs = dm_haiku.without_apply_rng(dm_haiku.transform(stack(dm_haiku)))
    params = ours.init(0, x)
    key = jax.random.PRNGKey(0)
    jax.tree.map(np.testing.assert_array_equal, params, theirs.init(key, x))

    def by_hand(params: Any, x: jax.Array) -> jax.Array:
        for layer in params.values():
            x = jnp.dot(x, layer["w"]) + jnp.broadcast_to(layer["b"], [8, size])
        return x

    forwards = {HAND: by_hand, "haiku_like": ours.apply, "dm-haiku": theirs.apply}
    for forward in forwards.values():
        np.testing.assert_allclose(forward(params, x), by_hand(params, x), rtol=1e-5)

    def each(run: Callable[[Callable[..., Any]], Any]) -> dict[str, Callable[[], Any]]:
        return {name: lambda f=forward: run(f) for name, forward in forwards.items()}

    def trace(f: Callable[..., Any]) -> None:
        # A new function each time, since JAX remembers the traces of an old one.
        jax.make_jaxpr(lambda p, x: f(p, x))(params, x)

    def trace_gradient(f: Callable[..., Any]) -> None:
        jax.make_jaxpr(jax.grad(lambda p, x: f(p, x).sum()))(params, x)

    layers = f"{depth} Linear layers"
    yield Case(f"{layers}: trace of apply", "haiku_like", each(trace))
    yield Case(f"{layers}: trace of its gradient", "haiku_like", each(trace_gradient))
    yield Case(f"{layers}: eager apply", "haiku_like", each(lambda f: f(params, x)))
    compiled = {name: jax.jit(forward) for name, forward in forwards.items()}
    runs = {name: lambda f=f: f(params, x) for name, f in compiled.items()}
    yield Case(f"{layers}: compiled apply", "haiku_like", runs)

    def init_by_hand(key: jax.Array) -> Any:
        params = {}
        for i in range(depth):
            key, draw_key = jax.random.split(key)
            w = jax.random.truncated_normal(draw_key, -2.0, 2.0, [size, size]) / np.sqrt(size)
            params[i] = {"w": w, "b": jnp.zeros(size)}
        return params

    inits = {
        HAND: lambda: jax.eval_shape(lambda k: init_by_hand(k), key),
        "haiku_like": lambda: jax.eval_shape(lambda k: ours.init(k, x), key),
        "dm-haiku": lambda: jax.eval_shape(lambda k: theirs.init(k, x), key),
    }
    yield Case(f"{layers}: eval_shape of init", "haiku_like", inits)


def rl_math(tiny: bool) -> Iterator[Case]:
    """One-step value learning on a batch, compiled, with its gradient."""
    batch, num_actions = (4, 3) if tiny else (65536, 18)
    random = np.random.default_rng(0)

    def array(*shape: int) -> jax.Array:
        return jnp.asarray(random.normal(size=shape), jnp.float32)

    def actions() -> jax.Array:
        return jnp.asarray(random.integers(num_actions, size=batch))

    q_tm1, q_t, q_select = array(batch, num_actions), array(batch, num_actions), array(batch, num_actions)
    probs = jax.nn.softmax(q_select)
    a_tm1, a_t, r_t, discount_t, v_tm1, v_t = (
        actions(),
        actions(),
        array(batch),
        array(batch),
        array(batch),
        array(batch),
    )
    calls = {
        "td_learning": (v_tm1, r_t, discount_t, v_t),
        "sarsa": (q_tm1, a_tm1, r_t, discount_t, q_t, a_t),
        "expected_sarsa": (q_tm1, a_tm1, r_t, discount_t, q_t, probs),
        "q_learning": (q_tm1, a_tm1, r_t, discount_t, q_t),
        "double_q_learning": (q_tm1, a_tm1, r_t, discount_t, q_t, q_select),
    }
    for name, args in calls.items():
        functions = {"rlax_like": getattr(rlax_like, name), "rlax under vmap": jax.vmap(getattr(rlax, name))}

        def loss(f: Callable[..., jax.Array], prediction: jax.Array, rest: Any) -> jax.Array:
            return jnp.mean(f(prediction, *rest) ** 2)

        compiled = {n: jax.jit(jax.value_and_grad(lambda p, r, f=f: loss(f, p, r))) for n, f in functions.items()}
        first, *rest = args
        outs = [f(first, rest) for f in compiled.values()]
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7), *outs)
        runs = {n: lambda f=f, first=first, rest=rest: f(first, rest) for n, f in compiled.items()}
        yield Case(f"{name}, loss and gradient, batch {batch}, {num_actions} actions", "rlax_like", runs)


def agents(tiny: bool) -> Iterator[Case]:
    """One update of the Q-learning agent, beside the same written by hand."""
    config = q_learning.Config(hidden_units=8 if tiny else 64)
    agent = q_learning.make_agent(3, config)
    learner = agent.init(jax.random.key(0), jnp.zeros([10, 5]))
    board = np.zeros([1, 10, 5], np.float32)
    transition = q_learning.Transition(board, np.array([1]), np.ones(1, np.float32), np.ones(1, np.float32), board)

    def q(params: Any, observation: jax.Array) -> jax.Array:
        first, second = params.values()
        hidden = jax.nn.relu(observation.reshape(1, -1) @ first["w"] + first["b"])
        return hidden @ second["w"] + second["b"]

    def loss(params: Any) -> jax.Array:
        q_tm1, q_t = q(params, transition.observation_tm1), q(params, transition.observation_t)
        target = transition.reward_t + config.discount * transition.discount_t * jnp.max(q_t, -1)
        error = jax.lax.stop_gradient(target) - q_tm1[jnp.arange(1), transition.action_tm1]
        return jnp.mean(error**2 / 2)

    ours = haiku_like.transform(
        lambda x: haiku_like.Sequential([haiku_like.Flatten(), haiku_like.nets.MLP([config.hidden_units, 3])])(x)
    )

    def library_loss(params: Any) -> jax.Array:
        q_tm1, q_t = ours.apply(params, transition.observation_tm1), ours.apply(params, transition.observation_t)
        discount_t = config.discount * transition.discount_t
        error = rlax_like.q_learning(q_tm1, transition.action_tm1, transition.reward_t, discount_t, q_t)
        return jnp.mean(rlax_like.l2_loss(error))

    gradients = {HAND: jax.jit(jax.grad(loss)), "both libraries": jax.jit(jax.grad(library_loss))}
    results = [f(learner.params) for f in gradients.values()]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), *results)
    runs = {name: lambda f=f: f(learner.params) for name, f in gradients.items()}
    yield Case("gradient of the Q-learning agent's loss, batch 1", "both libraries", runs)


SUITES = {"modules": modules, "rl_math": rl_math, "agents": agents}
