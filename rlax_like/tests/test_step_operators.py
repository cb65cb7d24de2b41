"""What all operators of a single step have in common: batches, transformations, dtypes, masks.

All operators are evaluated as one function, so that each test compiles once.
"""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rlax_like as rlax

A, N, M, T, D = 3, 4, 5, 2, 2
BATCH = (8, 2)
SPEC = types.SimpleNamespace(minimum=np.float32([-1.0, 0.0]), maximum=np.float32([1.0, 3.0]))


def time_first(*arrays):
    """`[*B, T, ...]` to `[T, *B, ...]`: here the batch comes first, so that vmap maps over it."""
    return [jnp.moveaxis(x, len(x.shape) - 1 - trailing, 0) for x, trailing in arrays]


def policy_gradient(function):
    return lambda logits, x: function(*time_first((logits, 1), (x, 1)))


def mpo(q, log_probs, kl, kl_per_dimension):
    temperature, alpha = rlax.LagrangePenalty(0.5, 0.1), rlax.LagrangePenalty(0.2, 0.05)
    per_dimension = rlax.LagrangePenalty(jnp.asarray([0.1, 0.3], q.dtype), 0.05, per_dimension=True)
    return rlax.mpo_loss(log_probs, q, temperature, [(kl, alpha), (kl_per_dimension, per_dimension)], sample_axis=-1)[0]


def squashed(mu, sigma, action):
    policy = rlax.squashed_gaussian()
    return [policy.logprob(action, mu, sigma, SPEC), policy.entropy(mu, sigma), policy.kl(mu, sigma, sigma, mu)]


def gaussian(mu, sigma, action):
    policy = rlax.gaussian_diagonal()
    return [policy.logprob(action, mu, sigma), policy.entropy(mu, sigma), policy.kl(mu, sigma, action, 0.5)]


def softmax(logits, action):
    policy = rlax.softmax(0.5)
    return [policy.probs(logits), policy.logprob(action, logits), policy.entropy(logits)]


# Each with the shapes of its arguments after the batch: real ones by their shape, "a" for an action, "+" for a positive
# one, "p" for probabilities, "r" for a reward and "d" for a discount.
OPERATORS = {
    "td_learning": (rlax.td_learning, "", "r", "d", ""),
    "sarsa": (rlax.sarsa, "A", "a", "r", "d", "A", "a"),
    "expected_sarsa": (rlax.expected_sarsa, "A", "a", "r", "d", "A", "pA"),
    "q_learning": (rlax.q_learning, "A", "a", "r", "d", "A"),
    "double_q_learning": (rlax.double_q_learning, "A", "a", "r", "d", "A", "A"),
    "persistent_q_learning": (lambda *args: rlax.persistent_q_learning(*args, 0.3), "A", "a", "r", "d", "A"),
    "qv_learning": (rlax.qv_learning, "A", "a", "r", "d", ""),
    "qv_max": (rlax.qv_max, "", "r", "d", "A"),
    "categorical_l2_project": (rlax.categorical_l2_project, "N", "pN", "M"),
    "categorical_td_learning": (rlax.categorical_td_learning, "N", "N", "r", "d", "M", "M"),
    "categorical_q_learning": (rlax.categorical_q_learning, "N", "AN", "a", "r", "d", "M", "AM"),
    "categorical_double_q_learning": (rlax.categorical_double_q_learning, "N", "AN", "a", "r", "d", "M", "AM", "A"),
    "quantile_regression_loss": (rlax.quantile_regression_loss, "N", "+N", "M"),
    "quantile_q_learning": (rlax.quantile_q_learning, "NA", "+N", "a", "r", "d", "MA", "MA"),
    "quantile_expected_sarsa": (rlax.quantile_expected_sarsa, "NA", "+N", "a", "r", "d", "MA", "pA"),
    "huber_loss": (rlax.huber_loss, ""),
    "likelihood": (rlax.likelihood, "+", "+"),
    "log_loss": (rlax.log_loss, "+", "+"),
    "expectile_loss": (lambda *args: rlax.expectile_loss(*args, 0.3), "", ""),
    "pixel_control_rewards": (
        lambda x: jnp.moveaxis(rlax.pixel_control_rewards(*time_first((x, 3)), 2), 0, x.ndim - 4), "T444",
    ),
    "feature_control_rewards": (
        lambda x: jnp.moveaxis(rlax.feature_control_rewards(*time_first((x, 1))), 0, x.ndim - 2), "TD",
    ),
    "qpg_loss": (policy_gradient(rlax.qpg_loss), "TA", "TA"),
    "rm_loss": (policy_gradient(rlax.rm_loss), "TA", "TA"),
    "rpg_loss": (policy_gradient(rlax.rpg_loss), "TA", "TA"),
    "entropy_loss": (lambda logits, w: rlax.entropy_loss(*time_first((logits, 1), (w, 0))), "TA", "T"),
    "policy_gradient_loss": (
        lambda logits, a, adv, w: rlax.policy_gradient_loss(*time_first((logits, 1), (a, 0), (adv, 0), (w, 0))),
        "TA", "aT", "T", "T",
    ),
    "clipped_surrogate_pg_loss": (
        lambda r, adv: rlax.clipped_surrogate_pg_loss(*time_first((r, 0), (adv, 0)), 0.2), "+T", "T",
    ),
    "dpg_loss": (lambda *args: rlax.dpg_loss(*args, dqda_clipping=0.5), "D", "D"),
    "mpo_loss": (mpo, "N", "N", "+", "+D"),
    "softmax": (softmax, "A", "a"),
    "clipped_entropy_softmax": (rlax.clipped_entropy_softmax(0.5, 0.9).entropy, "A"),
    "epsilon_greedy": (lambda x, y: [rlax.epsilon_greedy(0.2).entropy(x), rlax.epsilon_greedy(0.2).kl(x, y)], "A", "A"),
    "greedy": (lambda x: [rlax.greedy().probs(x), rlax.greedy().entropy(x)], "A"),
    "gaussian_diagonal": (gaussian, "D", "+D", "D"),
    "squashed_gaussian": (squashed, "D", "D", "+D"),
    "multivariate_normal_kl_divergence": (rlax.multivariate_normal_kl_divergence, "D", "+D", "D", "+D"),
    "categorical_cross_entropy": (rlax.categorical_cross_entropy, "pA", "A"),
    "categorical_kl_divergence": (rlax.categorical_kl_divergence, "A", "A"),
    "categorical_importance_sampling_ratios": (rlax.categorical_importance_sampling_ratios, "A", "A", "a"),
    "batched_index": (rlax.batched_index, "A", "a"),
    "embed_oar": (lambda x, a, r: rlax.embed_oar(x, a, r, A), "D", "a", "r"),
}  # fmt: skip
SIZES = {"A": A, "N": N, "M": M, "T": T, "D": D, "4": 4}


def arguments(batch=BATCH, dtype=np.float32, seed=0):
    random = np.random.default_rng(seed)

    def make(spec):
        shape = (*batch, *(SIZES[c] for c in spec if c in SIZES))
        if spec[:1] == "a":
            return random.integers(A, size=shape).astype(np.int32)
        if spec[:1] == "p":
            return random.dirichlet(np.ones(shape[-1]), size=shape[:-1]).astype(dtype)
        if spec[:1] in ("+", "d"):
            return random.uniform(0.1, 0.9, size=shape).astype(dtype)
        return random.normal(size=shape).astype(dtype)

    return {name: [make(spec) for spec in specs] for name, (_, *specs) in OPERATORS.items()}


def evaluate(args):
    with jax.numpy_rank_promotion("raise"):
        return {name: OPERATORS[name][0](*values) for name, values in args.items()}


def assert_close(actual, expected, **tolerance):
    for (path, x), y in zip(jax.tree_util.tree_leaves_with_path(actual), jax.tree.leaves(expected), strict=True):
        assert jnp.shape(x) == jnp.shape(y), path
        np.testing.assert_allclose(np.asarray(x, np.float64), np.asarray(y, np.float64), err_msg=str(path), **tolerance)


@pytest.fixture(scope="module")
def results():
    """The results for the batch `[8, 2]`."""
    return jax.jit(evaluate)(arguments())


def test_a_batch_equals_vmap(results):
    args = arguments()
    assert_close(jax.jit(jax.vmap(jax.vmap(evaluate)))(args), results, rtol=2e-5, atol=2e-6)


def test_a_batch_equals_pmap(results):
    args = arguments()
    # Each of 8 devices has a batch of 2.
    assert_close(jax.pmap(evaluate)(args), results, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_is_rounded_once(dtype):
    args = jax.tree.map(lambda x: x if x.dtype == np.int32 else x.astype(dtype), arguments())
    out = jax.jit(evaluate)(args)
    wide = jax.jit(evaluate)(jax.tree.map(lambda x: x if x.dtype == np.int32 else x.astype(np.float32), args))
    for (path, x), y in zip(jax.tree_util.tree_leaves_with_path(out), jax.tree.leaves(wide), strict=True):
        assert x.dtype == dtype, path
        epsilon = float(jnp.finfo(dtype).eps)
        np.testing.assert_allclose(np.float32(x), y, rtol=epsilon, atol=epsilon, err_msg=str(path))


@pytest.mark.usefixtures("x64")
def test_double_precision():
    args = arguments(dtype=np.float64)
    out = jax.jit(evaluate)(args)
    assert {x.dtype for x in jax.tree.leaves(out)} == {jnp.dtype("float64")}
    narrow = jax.jit(evaluate)(arguments())
    assert_close(narrow, out, rtol=1e-4, atol=1e-5)


def test_integer_and_boolean_rewards_and_discounts():
    args, whole, real = arguments(), {}, {}
    for name, (_, *specs) in OPERATORS.items():
        if "r" in specs:
            of = {"r": np.int32, "d": np.bool_}
            whole[name] = [(x > 0.5).astype(of[s]) if s in of else x for s, x in zip(specs, args[name], strict=True)]
            real[name] = [x.astype(np.float32) if s in of else x for s, x in zip(specs, whole[name], strict=True)]
    assert_close(jax.jit(evaluate)(whole), jax.jit(evaluate)(real), rtol=1e-5, atol=1e-6)


def test_an_empty_batch():
    for (path, x), y in zip(
        jax.tree_util.tree_leaves_with_path(jax.eval_shape(evaluate, arguments((0,)))),
        jax.tree.leaves(jax.eval_shape(evaluate, arguments(()))),
        strict=True,
    ):
        assert x.shape == (0, *y.shape), path


def total(args):
    return sum(jnp.sum(jnp.where(jnp.isfinite(x), x, 0)) for x in jax.tree.leaves(evaluate(args)))


def of_floats(args):
    """The arguments without actions, and a function that puts these back."""
    flat, structure = jax.tree.flatten(args)
    floats = [x for x in flat if x.dtype != np.int32]

    def join(floats):
        rest = iter(floats)
        return structure.unflatten([x if x.dtype == np.int32 else next(rest) for x in flat])

    return floats, join


@pytest.mark.usefixtures("x64")
def test_gradients_agree_with_finite_differences():
    # The flags let all gradients flow where they exist; by default some are stopped, so here they are compared as a
    # directional derivative of those operators that have no flag.
    without_flag = [n for n in OPERATORS if n in ("huber_loss", "likelihood", "log_loss", "expectile_loss", "softmax",
        "pixel_control_rewards", "feature_control_rewards", "entropy_loss", "clipped_entropy_softmax", "embed_oar",
        "gaussian_diagonal", "squashed_gaussian", "multivariate_normal_kl_divergence", "categorical_cross_entropy",
        "categorical_kl_divergence", "categorical_importance_sampling_ratios", "categorical_l2_project")]  # fmt: skip
    floats, join = of_floats({n: arguments((3,), np.float64)[n] for n in without_flag})
    function = jax.jit(lambda floats: total(join(floats)))
    random = np.random.default_rng(1)
    direction = [random.normal(size=x.shape) for x in floats]
    slope = sum(np.sum(g * d) for g, d in zip(jax.grad(function)(floats), direction, strict=True))
    ahead, behind = (function([x + s * d for x, d in zip(floats, direction, strict=True)]) for s in (1e-6, -1e-6))
    np.testing.assert_allclose(slope, (ahead - behind) / 2e-6, rtol=1e-5)


MASKABLE = [
    "softmax", "clipped_entropy_softmax", "entropy_loss", "qpg_loss", "rm_loss", "rpg_loss", "policy_gradient_loss",
    "categorical_cross_entropy", "categorical_kl_divergence", "categorical_importance_sampling_ratios",
    "categorical_td_learning", "categorical_q_learning", "categorical_double_q_learning", "q_learning",
    "double_q_learning", "expected_sarsa", "qv_max", "quantile_q_learning", "quantile_expected_sarsa", "greedy",
    "epsilon_greedy", "mpo_loss",
]  # fmt: skip


def masked(args):
    """The arguments with the last action (atom, sample) impossible: logits and values -inf, probabilities 0."""
    out = {}
    for name in MASKABLE:
        _, *specs = OPERATORS[name]
        values = list(args[name])
        for i, spec in enumerate(specs):
            is_atom = (name == "categorical_td_learning" and i in (1, 5)) or spec in ("AN", "AM")
            if spec == "a":
                values[i] = np.minimum(values[i], A - 2)
            elif spec in ("A", "TA", "MA") or is_atom or (name == "mpo_loss" and spec == "N"):
                values[i] = np.concatenate([values[i][..., :-1], np.full_like(values[i][..., -1:], -np.inf)], axis=-1)
            elif spec == "pA":
                values[i] = np.concatenate([values[i][..., :-1], np.zeros_like(values[i][..., -1:])], axis=-1)
            elif spec == "aT":
                values[i] = np.minimum(values[i], A - 2)
        out[name] = values
    return out


def test_masked_actions_give_no_nan():
    args = masked(arguments())
    floats, join = of_floats(args)
    out, gradients = jax.jit(lambda f: (evaluate(join(f)), jax.grad(lambda f: total(join(f)))(f)))(floats)
    for path, x in jax.tree_util.tree_leaves_with_path(out):
        assert not np.any(np.isnan(x)), path
    names = [name for name, values in args.items() for x in values if x.dtype != np.int32]
    for name, g in zip(names, gradients, strict=True):
        assert np.all(np.isfinite(g)), name


def test_masked_actions_may_be_left_out():
    """Without the impossible action, losses and distributions of logits are the same."""
    names = ["softmax", "entropy_loss", "qpg_loss", "rm_loss", "rpg_loss", "policy_gradient_loss",
             "categorical_cross_entropy", "categorical_kl_divergence",
             "categorical_importance_sampling_ratios"]  # fmt: skip
    args = masked(arguments())
    args = {name: args[name] for name in names}
    fewer = {
        name: [x[..., :-1] if s.endswith("A") else x for s, x in zip(OPERATORS[name][1:], args[name], strict=True)]
        for name in names
    }
    with_mask, without = jax.jit(evaluate)(args), jax.jit(evaluate)(fewer)
    with_mask["softmax"][0] = with_mask["softmax"][0][..., :-1]
    assert_close(with_mask, without, rtol=1e-5, atol=1e-6)
