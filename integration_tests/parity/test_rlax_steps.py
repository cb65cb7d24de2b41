"""All operators of rlax that do not run over time: the same calls give the same numbers and gradients.

`CASES` holds a call of each operator, and `DIFFERENCES` what differs on purpose, with a test that it does.
"""

import dataclasses
import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rlax

import rlax_like

RANDOM = np.random.default_rng(0)
KEY = jax.random.PRNGKey(3)
A, T, N = 4, 5, 6  # Actions, steps, atoms or samples.


def normal(*shape):
    return jnp.asarray(RANDOM.normal(size=shape), jnp.float32)


def uniform(*shape):
    return jnp.asarray(RANDOM.uniform(0.1, 0.9, size=shape), jnp.float32)


def probs(*shape):
    return jax.nn.softmax(normal(*shape))


def integers(high, *shape):
    return jnp.asarray(RANDOM.integers(high, size=shape), jnp.int32)


class Categorical:
    """A distribution with the interface of distrax."""

    def __init__(self, logits):
        self.logits = logits
        self.batch_shape = logits.shape[:-1]

    def sample(self, *, seed, sample_shape):
        return jax.random.categorical(seed, self.logits, shape=(*sample_shape, *self.batch_shape))

    def log_prob(self, value):
        logprobs = jnp.broadcast_to(jax.nn.log_softmax(self.logits), (*value.shape, self.logits.shape[-1]))
        return jnp.take_along_axis(logprobs, value[..., None], axis=-1)[..., 0]


@dataclasses.dataclass(frozen=True)
class Case:
    """A call of one operator."""

    name: str  # The operator, and after a dot the variant.
    call: Callable[..., Any]  # call(library, **options, **floats).
    floats: dict[str, Any]  # What it is differentiated by.
    flag: str = ""  # The name of the flag that stops a gradient.
    flags: tuple[bool, ...] = (True, False)  # The settings of the flag at which the gradients agree.
    differentiable: bool = True
    tolerance: float = 2e-5

    @property
    def operator(self):
        return self.name.split(".")[0]


CASES: dict[str, Case] = {}


def add(name, call=None, *, fixed=None, flags=(True, False), differentiable=True, tolerance=2e-5, **floats):
    """Adds a call of an operator with keyword arguments, unless `call` says how to call it."""
    operator = name.split(".")[0]
    parameters = inspect.signature(getattr(rlax, operator)).parameters
    flag = next((p for p in ("stop_target_gradients", "use_stop_gradient") if p in parameters), "")
    if call is None:

        def call(lib, **arguments):
            return getattr(lib, operator)(**arguments, **(fixed or {}))

    CASES[name] = Case(name, call, floats, flag, flags, differentiable, tolerance)


# Values.
one_step = {"r_t": normal(), "discount_t": uniform()}
add("td_learning", **one_step, v_tm1=normal(), v_t=normal())
of_actions = {"q_tm1": normal(A), **one_step}
taken = {"a_tm1": 1}
add("sarsa", fixed={**taken, "a_t": 2}, **of_actions, q_t=normal(A))
add("expected_sarsa", fixed=taken, **of_actions, q_t=normal(A), probs_a_t=probs(A))
add("q_learning", fixed=taken, **of_actions, q_t=normal(A))
add("double_q_learning", fixed=taken, **of_actions, q_t_value=normal(A), q_t_selector=normal(A))
add("persistent_q_learning", fixed=taken, **of_actions, q_t=normal(A), action_gap_scale=jnp.float32(0.3))
add("qv_learning", fixed=taken, **of_actions, v_t=normal())
add("qv_max", **one_step, v_tm1=normal(), q_t=normal(A))

# Distributions of the return.
atoms = jnp.linspace(-2.0, 2.0, N)
of_logits = {"q_logits_tm1": normal(A, N), "q_logits_t": normal(A, N)} | one_step
all_atoms = {"q_atoms_tm1": atoms, "q_atoms_t": atoms}
add("categorical_l2_project", z_p=normal(7), probs=probs(7), z_q=atoms, differentiable=False)
add(
    "categorical_td_learning", v_atoms_tm1=atoms, v_logits_tm1=normal(N), **one_step, v_atoms_t=atoms,
    v_logits_t=normal(N), flags=(True,),
)  # fmt: skip
add("categorical_q_learning", fixed={**taken, **all_atoms}, **of_logits, flags=(True,))
add("categorical_double_q_learning", fixed={**taken, **all_atoms}, **of_logits, q_t_selector=normal(A), flags=(True,))
tau = uniform(N)
quantiles = {"dist_q_tm1": normal(N, A), "tau_q_tm1": tau, **one_step, "dist_q_t": normal(7, A)}
for huber in (0.0, 0.7):
    settings = {"huber_param": huber}
    add(f"quantile_regression_loss.{huber}", fixed=settings, dist_src=normal(N), tau_src=tau, dist_target=normal(7),
        flags=(False,))  # fmt: skip
    add(f"quantile_q_learning.{huber}", fixed={**taken, **settings}, **quantiles, dist_q_t_selector=normal(3, A))
    add(f"quantile_expected_sarsa.{huber}", fixed={**taken, **settings}, **quantiles, probs_a_t=probs(A))

# Losses.
add("l2_loss", predictions=normal(T), targets=normal(T))
add("huber_loss", fixed={"delta": 0.5}, x=normal(T))
add("likelihood", predictions=uniform(T), targets=uniform(T))
add("log_loss", predictions=uniform(T), targets=uniform(T))
add("expectile_loss", fixed={"expectile": 0.3}, predictions=normal(T), targets=normal(T))
images = normal(T + 1, 4, 6, 3)
add("pixel_control_rewards", fixed={"cell_size": 2}, observations=images)
for kind in ("scalar", "vector"):
    add(f"pixel_control_loss.{kind}", fixed={"actions": integers(A, T), "cell_size": 2}, observations=images,
        action_values=normal(T + 1, 2, 3, A), discount_factor=uniform(*[T][: kind == "vector"]))  # fmt: skip
for kind in ("feature", "absolute_change", "increase", "decrease", "potential"):
    add(f"feature_control_rewards.{kind}", fixed={"cumulant_type": kind, "discount": 0.9}, features=normal(T, 3))

# Policies.
add("policy_gradient_loss", fixed={"a_t": integers(A, T)}, logits_t=normal(T, A), adv_t=normal(T), w_t=uniform(T))
add("entropy_loss", logits_t=normal(T, A), w_t=uniform(T))
add("dpg_loss", a_t=normal(3), dqda_t=normal(3))
add("dpg_loss.clipped", fixed={"dqda_clipping": 0.5}, a_t=normal(3), dqda_t=normal(3))
add("dpg_loss.not_clipped", fixed={"dqda_clipping": 50.0}, a_t=normal(3), dqda_t=normal(3))
for name, flags in (("qpg_loss", (True,)), ("rm_loss", (True,)), ("rpg_loss", (True, False))):
    add(name, logits_t=normal(T, A), q_t=normal(T, A), flags=flags)
add("clipped_surrogate_pg_loss", fixed={"epsilon": 0.2}, prob_ratios_t=1 + 0.5 * normal(T), adv_t=normal(T))


def mpo(lib, alphas, kls, **arguments):
    operator = getattr(lib, "mpo_loss" if "sample_q_values" in arguments else "vmpo_loss")
    constraints = [
        (kls[0], lib.LagrangePenalty(alphas[1], 0.05)),
        (kls[1], lib.LagrangePenalty(alphas[2], 0.02, per_dimension=True)),
    ]
    return operator(temperature_constraint=lib.LagrangePenalty(alphas[0], 0.1), kl_constraints=constraints, **arguments)


def penalty(lib, alphas, kls, **arguments):
    constraints = [
        (kls[0], lib.LagrangePenalty(alphas[1], 0.05)),
        (kls[1], lib.LagrangePenalty(alphas[2], 0.02, per_dimension=True)),
    ]
    return lib.compute_parametric_kl_penalty_and_dual_loss(constraints, jax.nn.softplus, **arguments)


def weights_of(lib, alpha, **arguments):
    vmpo = "advantages" in arguments
    name = "vmpo_compute_weights_and_temperature_loss" if vmpo else "mpo_compute_weights_and_temperature_loss"
    constraint, projection = lib.LagrangePenalty(alpha, 0.1), functools.partial(jnp.clip, min=1e-3)
    return getattr(lib, name)(temperature_constraint=constraint, projection_operator=projection, **arguments)


duals = {"alphas": (uniform(), uniform(), uniform(3)), "kls": (uniform(T, 2), uniform(T, 2, 3))}
add("mpo_loss", mpo, sample_log_probs=normal(N, T, 2), sample_q_values=normal(N, T, 2), **duals)
add("mpo_loss.weights", functools.partial(
    mpo, sample_axis=2, policy_loss_weight=2.0, temperature_loss_weight=3.0, kl_loss_weight=5.0, alpha_loss_weight=7.0),
    sample_log_probs=normal(T, 2, N), sample_q_values=normal(T, 2, N), **duals)  # fmt: skip
add("vmpo_loss", mpo, sample_log_probs=normal(T, 2), advantages=normal(T, 2), **duals)
add("vmpo_loss.weights", functools.partial(
    mpo, top_k_fraction=0.7, policy_loss_weight=2.0, temperature_loss_weight=3.0, kl_loss_weight=5.0,
    alpha_loss_weight=7.0, restarting_weights=jnp.asarray(RANDOM.uniform(size=(T, 2)) > 0.3, jnp.float32)),
    sample_log_probs=normal(T, 2), advantages=normal(T, 2), importance_weights=uniform(T, 2), **duals)  # fmt: skip
add("mpo_compute_weights_and_temperature_loss", weights_of, alpha=uniform(), sample_q_values=normal(N, T))
of_steps = {"alpha": uniform(), "advantages": normal(N, T), "importance_weights": uniform(N, T)}
add("vmpo_compute_weights_and_temperature_loss", functools.partial(weights_of, top_k_fraction=0.4), **of_steps,
    restarting_weights=jnp.ones([N, T]))  # fmt: skip
add("vmpo_compute_weights_and_temperature_loss.shares", functools.partial(weights_of, top_k_fraction=0.4), **of_steps,
    restarting_weights=uniform(N, T))  # fmt: skip
add("compute_parametric_kl_penalty_and_dual_loss", penalty, **duals)
add("LagrangePenalty", lambda lib, alpha: tuple(lib.LagrangePenalty(alpha, 0.1)), alpha=normal())


def distill(lib, logits, weights, **arguments):
    target = lib.PolicyTarget(actions=ACTIONS, weights=weights)
    return lib.sampled_policy_distillation_loss(Categorical(logits), target, **arguments)


ACTIONS = integers(A, N, T)
add("sampled_policy_distillation_loss", distill, logits=normal(T, A), weights=uniform(N, T))
for name in ("constant_policy_targets", "zero_policy_targets"):
    add(name, lambda lib, logits, n=name: getattr(lib, n)(Categorical(logits), KEY, 3).to_tuple(), logits=normal(T, A),
        differentiable=False)  # fmt: skip
add("PolicyTarget", lambda lib, actions, weights: lib.PolicyTarget(actions=actions, weights=weights).to_tuple(),
    actions=normal(2), weights=normal(2))  # fmt: skip

# Distributions.
for name, policy in {
    "softmax": lambda lib: lib.softmax(0.7),
    "clipped_entropy_softmax": lambda lib: lib.clipped_entropy_softmax(0.7, 0.9),
    "clipped_entropy_softmax.free": lambda lib: lib.clipped_entropy_softmax(0.7, 1.0),
}.items():

    def of_policy(lib, x, y, policy=policy):
        d = policy(lib)
        return d.probs(x), d.logprob(ACTIONS[0], x), d.entropy(x), d.kl(x, y), d.sample(KEY, x)

    add(name, of_policy, x=normal(T, A), y=normal(T, A))
for name, policy in {"greedy": lambda lib: lib.greedy(), "epsilon_greedy": lambda lib: lib.epsilon_greedy(0.3)}.items():

    def of_greedy(lib, x, policy=policy):
        d = policy(lib)
        return d.probs(x), d.logprob(jnp.argmax(x, -1), x), d.entropy(x), d.sample(KEY, x)

    add(name, of_greedy, x=normal(T, A), differentiable=False)


def gaussian(lib, mu, sigma, mu_1, sigma_1, action):
    d, e = lib.gaussian_diagonal(), lib.gaussian_diagonal(0.4)
    return (
        d.prob(action, mu, sigma), d.logprob(action, mu, sigma), d.entropy(mu, sigma), d.sample(KEY, mu, sigma),
        d.kl(mu, sigma, mu_1, sigma_1), d.kl_to_standard_normal(mu, sigma), e.logprob(action, mu), e.entropy(mu),
        e.sample(KEY, mu), e.kl_to_standard_normal(mu), e.logprob(action, mu, sigma),
    )  # fmt: skip


def squashed(lib, mu, sigma, mu_1, sigma_1, action):
    # rlax squashes the mean before it adds the noise, and squashes the sum.
    mu, mu_1 = (jnp.arctanh(0.8 * jnp.tanh(m)) if lib is rlax else 0.8 * jnp.tanh(m) for m in (mu, mu_1))
    d, spec = (
        lib.squashed_gaussian(-1.0, 0.5),
        types.SimpleNamespace(minimum=np.float32([-2, 0]), maximum=np.float32([1, 5])),
    )
    action = jnp.array([-0.5, 2.5]) + jnp.array([1.4, 2.4]) * jnp.tanh(action)
    return (
        d.prob(action, mu, sigma, spec), d.logprob(action, mu, sigma, spec), d.sample(KEY, mu, sigma, spec),
        d.kl(mu, sigma, mu_1, sigma_1), d.kl_to_standard_normal(mu, sigma),
    )  # fmt: skip


moments = {"mu": normal(T, 2), "mu_1": normal(T, 2), "sigma_1": uniform(T, 2), "action": normal(T, 2)}
add("gaussian_diagonal", gaussian, **moments, sigma=uniform(T, 2), tolerance=1e-4)
add("squashed_gaussian", squashed, **moments, sigma=normal(T, 2), tolerance=2e-4)
add("multivariate_normal_kl_divergence", mu_0=normal(T, 2), sigma_0=uniform(T, 2), mu_1=normal(T, 2),
    sigma_1=uniform(T, 2), tolerance=1e-4)  # fmt: skip
add("categorical_sample", fixed={"key": KEY}, probs=probs(T, A), differentiable=False)
add("categorical_cross_entropy", labels=probs(T, A), logits=normal(T, A))
add("categorical_kl_divergence", fixed={"temperature": 0.7}, p_logits=normal(T, A), q_logits=normal(T, A))
add("categorical_importance_sampling_ratios", fixed={"a_t": integers(A, T)}, pi_logits_t=normal(T, A),
    mu_logits_t=normal(T, A))  # fmt: skip
add("batched_index", fixed={"indices": integers(A, T)}, values=normal(T, A))
add("one_hot", fixed={"indices": integers(A, T), "num_classes": A}, differentiable=False)

# Normalisation.
STATE = {"shift": normal(3), "scale": uniform(3), "second_moment": 3.0 + normal(3)}
INDICES = integers(3, T)


def with_state(name):
    def call(lib, shift, scale, second_moment, **arguments):
        return getattr(lib, name)(state=lib.PopArtState(shift, scale, second_moment), indices=INDICES, **arguments)

    return call


add("normalize", with_state("normalize"), **STATE, unnormalized=normal(T))
add("unnormalize", with_state("unnormalize"), **STATE, normalized=normal(T))
add("unnormalize_linear", with_state("unnormalize_linear"), **STATE, inputs=normal(T, 3))
add("PopArtState", lambda lib, **fields: tuple(lib.PopArtState(**fields)), **STATE)


def art(lib, targets, **fields):
    indices = jnp.array([2, 0])  # No index twice.
    return lib.art(lib.PopArtState(**fields), targets, indices, step_size=0.3, scale_lb=0.01, scale_ub=1.4)


def pop(lib, w, b, **fields):
    old, new = lib.PopArtState(**fields), lib.PopArtState(fields["shift"] + 1, fields["scale"] * 2, fields["shift"])
    return lib.pop({"w": w, "b": b}, old, new)


def popart(lib, w, b, targets):
    init, update = lib.popart(3, 0.3, 0.01, 1.4)
    params, state = update({"w": w, "b": b}, init(), targets[:2], jnp.array([2, 0]))
    return update(params, state, targets[2:4], jnp.array([1, 2]))


add("art", art, **STATE, targets=normal(2))
add("pop", pop, **STATE, w=normal(4, 3), b=normal(3))
add("popart", popart, w=normal(4, 3), b=normal(3), targets=normal(4))


def ema(lib, xs, **_):
    init, update = lib.create_ema(0.9)
    state, out = init(jax.tree.map(lambda x: x[0], xs)), []
    for i in range(3):
        moments, state = update(jax.tree.map(lambda x, i=i: x[i], xs), state)
        out.append((moments.to_tuple(), state.debiased_moments().to_tuple(), state.mu, state.decay_product))
    return out


add("create_ema", ema, xs={"a": normal(3, 4), "b": normal(3)}, tolerance=1e-4)
add("EmaMoments", lambda lib, x: lib.EmaMoments(mean=x, variance=x * x).to_tuple(), x=normal())
add("EmaState", lambda lib, x: lib.EmaState(mu=x, nu=0 * x, decay_product=x / 2).debiased_moments().mean, x=uniform(),
    tolerance=1e-4)  # fmt: skip

# Exploration.
add("add_gaussian_noise", fixed={"key": KEY}, action=normal(3), stddev=uniform())
add("add_ornstein_uhlenbeck_noise", fixed={"key": KEY}, action=normal(3), noise_tm1=normal(3), damping=uniform(),
    stddev=uniform())  # fmt: skip
add("add_dirichlet_noise", fixed={"key": KEY, "dirichlet_alpha": 0.3, "dirichlet_fraction": 0.25}, prior=probs(T, A))


def knn(lib, data, points):
    found = lib.knn_query(data, points, 3)
    other = lib.knn_query(data, points, 99, metric=lambda x, y: jnp.sum(jnp.abs(x - y)))
    return [(x.neighbors, x.neighbor_indices, x.neighbor_neg_distances) for x in (found, other)]


def intrinsic(lib, first, second):
    options = {"num_neighbors": 2, "reward_scale": 0.5, "constant": 0.0, "epsilon": 1e-2, "max_memory_size": 7}
    rewards, state = lib.episodic_memory_intrinsic_rewards(first, **options)
    later, state = lib.episodic_memory_intrinsic_rewards(second, **options, intrinsic_reward_state=state)
    return rewards, later, state.memory, state.next_memory_index, jnp.abs(state.distance_sum), state.distance_count


add("knn_query", knn, data=normal(N, 2), points=normal(3, 2))
add("episodic_memory_intrinsic_rewards", intrinsic, first=normal(3, 2), second=normal(3, 2), differentiable=False,
    tolerance=1e-4)  # fmt: skip

# Models, episodes, embeddings.
add("extract_subsequences", fixed={"start_indices": integers(3, 2, 2), "subsequence_len": 3, "max_valid_start_idx": 2},
    trajectories=normal(T, 2, 3))  # fmt: skip
add("sample_start_indices", fixed={"rng_key": KEY, "batch_size": 3, "num_start_indices": 4, "max_valid_start_idx": 9},
    differentiable=False)  # fmt: skip
add("fix_step_type_on_interruptions", fixed={"step_type": integers(3, 50, 2)}, differentiable=False)
add("embed_oar", fixed={"action": integers(A, T), "num_actions": A}, features=normal(T, 2), reward=normal(T))

# Trees.
TREES = {"x": {"a": normal(2, 3), "b": [normal(2)]}, "y": {"a": normal(2, 3), "b": [normal(2)]}}
MASK = jnp.array([True, False])
for flag in (True, False):
    add(f"tree_select.{flag}", lambda lib, x, y, f=flag: lib.tree_select(f, x, y), **TREES)
    add(f"conditional_update.{flag}", lambda lib, x, y, f=flag: lib.conditional_update(x, y, jnp.array(f)), **TREES)
add("periodic_update", lambda lib, x, y: [lib.periodic_update(x, y, i, 3) for i in range(5)], **TREES)
add("tree_map_zipped", lambda lib, x, y: lib.tree_map_zipped(lambda a, b: jnp.stack([a, b]), [x, y]), **TREES)
add("tree_fn", lambda lib, x, y: lib.tree_fn(lambda a, b, c: a * b + c, c=2.0)(x, y), **TREES)
add("tree_split_key", lambda lib, x, y: lib.tree_split_key(KEY, x), **TREES, differentiable=False)
add("tree_split_leaves", lambda lib, x, y: (lib.tree_split_leaves(x), lib.tree_split_leaves(y, 0, True)), **TREES)
add("tree_replace_masked", lambda lib, x, y: [lib.tree_replace_masked(x, new, MASK) for new in (y, None)], **TREES)
add("replace_masked", lambda lib, x, y: (lib.replace_masked(x, y, MASK), lib.replace_masked(x, None, MASK)),
    x=normal(2, 3), y=normal(2, 3))  # fmt: skip
add("lhs_broadcast", source=normal(2), target=normal(2, 3))
add("transpose_first_axis_to_last", tree=TREES["x"])
add("transpose_last_axis_to_first", tree=TREES["x"])
add("clip_gradient", lambda lib, x: 3 * lib.clip_gradient(x, -1.0, 2.0) * jnp.array([1.0, -1.0, 0.1]), x=normal(3))
add("AllSum", lambda lib, x: (lib.AllSum()(x), lib.AllSum()(x, axis=1),
                              jax.vmap(lib.AllSum("i"), axis_name="i")(x)), x=normal(3, 4))  # fmt: skip


def compare(ours, theirs, tolerance):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert jnp.shape(a) == jnp.shape(b)
        if isinstance(b, jax.Array):
            assert jnp.issubdtype(a.dtype, jnp.floating) == jnp.issubdtype(b.dtype, jnp.floating)
        np.testing.assert_allclose(np.float64(a), np.float64(b), rtol=tolerance, atol=tolerance)


def evaluate(case):
    """For each library and setting of the flag the result, and the gradient of a sum with a factor for each element."""

    def total(floats, lib, flag):
        out = case.call(lib, **({} if flag is None else {case.flag: flag}), **floats)
        real = [x for x in jax.tree.leaves(out) if jnp.issubdtype(jnp.result_type(x), jnp.floating)]
        return sum(jnp.sum(x * jnp.cos(jnp.arange(jnp.size(x))).reshape(jnp.shape(x))) for x in real), out

    def everything(floats):
        results = {}
        for flag in (True, False) if case.flag else (None,):
            for lib in (rlax_like, rlax):
                if case.differentiable:
                    (_, out), gradient = jax.value_and_grad(total, has_aux=True)(floats, lib, flag)
                else:
                    (_, out), gradient = total(floats, lib, flag), {}
                # The types of results are each library's own, such as PopArtState.
                results.setdefault(flag, []).append((jax.tree.leaves(out), jax.tree.leaves(gradient)))
        return results

    return jax.jit(everything)(case.floats)


@pytest.mark.parametrize("name", CASES)
def test_the_same_numbers_and_gradients(name):
    case = CASES[name]
    for flag, ((ours, our_gradient), (theirs, their_gradient)) in evaluate(case).items():
        compare(ours, theirs, case.tolerance)
        if flag is None or flag in case.flags:
            compare(our_gradient, their_gradient, case.tolerance)


# What differs on purpose, as docs/differences.md tells. Each shows what rlax does, and what rlax_like does.
DIFFERENCES: dict[str, Callable[[], None]] = {}
INF = jnp.inf


def difference(function):
    """Adds a function that shows a difference."""
    DIFFERENCES[function.__name__] = function
    return function


def both(call):
    return call(rlax_like), call(rlax)


def refuses(call):
    try:
        call()
    except (ValueError, TypeError):
        return True
    return False


@difference
def quantile_regression_stops_at_the_target():
    ours, theirs = both(
        lambda lib: jax.grad(lib.quantile_regression_loss, 2)(jnp.ones(2), jnp.ones(2) / 2, jnp.zeros(2))
    )
    assert not np.any(ours)
    assert np.any(theirs)


@difference
def losses_of_all_actions_honour_their_flag():
    q = jnp.array([[1.0, 3.0]])
    ours, theirs = both(lambda lib: jax.grad(lib.rm_loss, 1)(jnp.zeros([1, 2]), q, False))
    assert np.any(ours)
    assert not np.any(theirs)


@difference
def an_impossible_action_is_not_regretted():
    logits, q = jnp.array([[0.0, 0.0, -INF]]), jnp.array([[1.0, 3.0, 9.0]])
    ours, theirs = both(lambda lib: float(lib.rpg_loss(logits, q)))
    assert (ours, theirs) == (1.0, 8.0)


@difference
def a_step_of_weight_0_does_not_count():
    logits, a = jnp.array([[0.0, -INF]]), jnp.array([1])
    ours, theirs = both(lambda lib: lib.policy_gradient_loss(logits, a, jnp.ones(1), jnp.zeros(1)))
    assert ours == 0.0
    assert np.isnan(theirs)


@difference
def projections_keep_mass():
    z_p, p = jnp.array([0.5, 1.5]), jnp.array([0.5, 0.5])
    for support in (jnp.array([0.0, 1.0, 1.0, 2.0]), jnp.array([2.0, 1.0, 0.0])):
        ours, theirs = both(lambda lib, z=support: float(jnp.sum(lib.categorical_l2_project(z_p, p, z))))
        assert ours == pytest.approx(1.0)
        assert theirs > 1.4


@difference
def gradients_through_a_categorical_target_are_finite():
    z, logits = jnp.arange(3.0), jnp.zeros(3)
    ours, theirs = both(lambda lib: jax.grad(lib.categorical_td_learning, 5)(z, logits, 1.0, 0.5, z, logits, False))
    assert np.all(np.isfinite(ours))
    assert np.all(np.isnan(theirs))


@difference
def masked_actions_have_a_ratio():
    logits = jnp.array([0.0, -INF])
    ours, theirs = both(lambda lib: lib.categorical_importance_sampling_ratios(logits, logits, jnp.array(1)))
    assert ours == 0.0
    assert np.isnan(theirs)


@difference
def labels_of_0_cost_nothing():
    ours, theirs = both(lambda lib: lib.categorical_cross_entropy(jnp.zeros(2), jnp.zeros(2)))
    assert ours == 0.0
    assert np.isnan(theirs)


@difference
def log_loss_has_a_gradient_at_certainty():
    ours, theirs = both(lambda lib: jax.grad(lib.log_loss)(jnp.array(0.0), jnp.array(0.0)))
    assert ours == 1.0
    assert np.isnan(theirs)


UNIT = types.SimpleNamespace(minimum=np.float32([-1]), maximum=np.float32([1]))


@difference
def the_mean_is_squashed_once():
    draw = lambda lib: lib.squashed_gaussian(-20.0, -20.0).sample(KEY, jnp.ones(1), jnp.zeros(1), UNIT)  # noqa: E731
    ours, theirs = both(draw)
    np.testing.assert_allclose(ours, [np.tanh(1)], rtol=1e-5)
    np.testing.assert_allclose(theirs, [np.tanh(np.tanh(1))], rtol=1e-5)


@difference
def a_squashed_action_at_its_bound_has_a_density():
    args = jnp.ones(1), jnp.zeros(1), jnp.zeros(1), UNIT
    ours, theirs = both(lambda lib: lib.squashed_gaussian().logprob(*args))
    assert np.isfinite(ours)
    assert np.isnan(theirs)


@difference
def the_entropy_is_that_of_the_squashed_action():
    ours, theirs = both(lambda lib: lib.squashed_gaussian(0.0, 0.0).entropy(jnp.zeros(1), jnp.zeros(1)))
    np.testing.assert_allclose(theirs, 0.5 * np.log(2 * np.pi * np.e), rtol=1e-5)
    # No distribution on [-1, 1] has more than log 2.
    assert ours < np.log(2)


@difference
def a_clipped_dual_variable_has_a_gradient():
    def gradient(lib):
        def loss(alpha):
            constraint = lib.LagrangePenalty(alpha, 0.1)
            clip = functools.partial(jnp.clip, min=1e-3)
            return lib.mpo_compute_weights_and_temperature_loss(jnp.arange(3.0), constraint, clip)[0]

        return jax.grad(loss)(-1.0)

    ours, theirs = both(gradient)
    assert ours < 0
    assert theirs == 0


@difference
def an_excluded_sample_has_no_weight():
    x = jnp.array([0.0, -INF])

    def loss(lib):
        constraint = lib.LagrangePenalty(jnp.float32(1.0), 0.1)
        return lib.mpo_loss(x, x, constraint, [(jnp.zeros(()), constraint)])[0]

    ours, theirs = both(loss)
    assert np.isfinite(ours)
    assert np.isnan(theirs)


@difference
def art_takes_the_mean_of_an_index():
    def step(lib):
        state = lib.popart(1, 0.1, 0.01, 100.0)[0]()
        return float(lib.art(state, jnp.full(64, 5.0), jnp.zeros(64, jnp.int32), 0.1, 0.01, 100.0).shift[0])

    ours, theirs = both(step)
    assert (ours, theirs) == (pytest.approx(0.5), pytest.approx(32.0))


@difference
def an_output_that_does_not_exist_gives_nan():
    def outside(lib):
        state = lib.PopArtState(jnp.ones(2), jnp.ones(2), jnp.full(2, 2.0))
        return lib.normalize(state, jnp.array(3.0), jnp.array(7))

    ours, theirs = both(outside)
    assert np.isnan(ours)
    assert theirs == 2.0


@difference
def pop_keeps_other_entries():
    def entries(lib):
        state = lib.popart(1, 0.1, 0.01, 100.0)[0]()
        return sorted(lib.pop({"w": jnp.ones([1, 1]), "b": jnp.ones(1), "x": jnp.ones(1)}, state, state))

    assert both(entries) == (["b", "w", "x"], ["b", "w"])


@difference
def the_variance_does_not_cancel():
    x = jnp.asarray(1e4 + np.random.default_rng(0).normal(size=256), jnp.float32)

    def moments(lib):
        init, update = lib.create_ema(0.99)
        return update(x, init(x))

    (ours, state), (theirs, their_state) = both(moments)
    np.testing.assert_allclose(ours.variance, np.var(np.float64(x)), rtol=1e-3)
    assert theirs.variance == 0.0
    # What is kept for it is the variance, not the mean of the square.
    np.testing.assert_allclose(state.nu, 0.01 * ours.variance, rtol=1e-3)
    np.testing.assert_allclose(their_state.nu, 0.01 * np.mean(np.float64(x) ** 2), rtol=1e-3)


@difference
def novelty_is_made_of_positive_distances():
    def call(lib):
        return lib.episodic_memory_intrinsic_rewards(jnp.array([[1.0, 0.0]]), 1, 1.0, constant=0.5, max_memory_size=3)

    (ours, state), (theirs, their_state) = both(call)
    assert (state.distance_sum, their_state.distance_sum) == (1.0, -1.0)
    # The distance over its mean is 1; rlax divides by the mean less the constant, and takes 2.
    for reward, distance in ((ours, 1.0), (theirs, 2.0)):
        np.testing.assert_allclose(1 / reward, np.sqrt(1e-4 / (distance - 8e-3 + 1e-4)) + 0.5, rtol=1e-5)


@difference
def unused_memory_does_not_count():
    def call(lib):
        seen, new = jnp.array([[1.0, 0.0], [0.0, 2.0]]), jnp.ones([1, 2])
        _, state = lib.episodic_memory_intrinsic_rewards(seen, 1, 1.0, max_memory_size=20)
        return lib.episodic_memory_intrinsic_rewards(new, 3, 1.0, state, max_memory_size=20)[0]

    ours, theirs = both(call)
    assert np.all(np.isfinite(ours))
    assert np.all(np.isnan(theirs))


@difference
def the_dtype_stays():
    half = jnp.ones([1, 2], jnp.bfloat16)
    ours, theirs = both(lambda lib: lib.embed_oar(half, jnp.array([0]), half[:, 0], 2).dtype)
    assert (ours, theirs) == (jnp.bfloat16, jnp.float32)


@difference
def more_is_accepted():
    spare, image = jnp.ones([3, 2, 1]), jnp.zeros([2, 2, 2, 1], jnp.uint8)
    for call in (
        lambda lib: lib.extract_subsequences({"x": spare}, jnp.array([[0], [1]]), 2),
        lambda lib: lib.pixel_control_rewards(image, 2),
        lambda lib: lib.clip_gradient(1.0, gradient_min=-1.0, gradient_max=1.0),
        lambda lib: lib.mpo_loss(jnp.ones(2), jnp.ones(2), lib.LagrangePenalty(jnp.ones(()), 0.1), []),
        lambda lib: lib.PolicyTarget(1, 2),
    ):
        call(rlax_like)
        with pytest.raises(Exception):  # noqa: B017, PT011
            call(rlax)


@difference
def settings_out_of_range_are_refused():
    x = jnp.array([0.5, 0.5])
    for call in (
        lambda lib: lib.gaussian_diagonal(-1.0),
        lambda lib: lib.multivariate_normal_kl_divergence(x, jnp.eye(2), x, jnp.eye(2) * 0),
        lambda lib: lib.quantile_regression_loss(x, x, x, -1.0),
        lambda lib: lib.dpg_loss(x, x, -1.0),
        lambda lib: lib.clipped_surrogate_pg_loss(x, x, -0.2),
        lambda lib: lib.add_gaussian_noise(KEY, x, -1.0),
        lambda lib: lib.add_ornstein_uhlenbeck_noise(KEY, x, x, 2.0, 1.0),
        lambda lib: lib.add_dirichlet_noise(KEY, x[None], 0.3, 2.0),
        lambda lib: lib.create_ema(2.0),
        lambda lib: lib.popart(1, 2.0, 0.1, 1.0),
        lambda lib: lib.clip_gradient(1.0, 1.0, -1.0),
        lambda lib: lib.clipped_entropy_softmax(1.0, -1.0),
        lambda lib: lib.extract_subsequences(jnp.ones([3, 1]), jnp.array([[9]])),
        lambda lib: lib.fix_step_type_on_interruptions(jnp.array([[7]])),
        lambda lib: lib.fix_step_type_on_interruptions(jnp.array([[1.0]])),
        lambda lib: lib.softmax(jnp.ones([3, 1, 1])).probs(x),
    ):
        assert refuses(lambda call=call: call(rlax_like))
        assert not refuses(lambda call=call: call(rlax))


@pytest.mark.parametrize("name", DIFFERENCES)
def test_what_differs_on_purpose(name):
    DIFFERENCES[name]()


# Those of rlax that run over time, and the transforms of values, are compared in test_rlax_sequences.py.
OVER_TIME = {
    "DISCOUNT_TRANSFORM_PAIR", "HYPERBOLIC_SIN_PAIR", "IDENTITY_PAIR", "SIGNED_HYPERBOLIC_PAIR", "SIGNED_LOGP1_PAIR",
    "TxPair", "compose_tx", "discounted_returns", "general_off_policy_returns_from_action_values",
    "general_off_policy_returns_from_q_and_v", "identity", "lambda_returns", "leaky_vtrace",
    "leaky_vtrace_td_error_and_advantage", "logit", "muzero_pair", "n_step_bootstrapped_returns", "power", "q_lambda",
    "retrace", "retrace_continuous", "sarsa_lambda", "sigmoid", "signed_expm1", "signed_hyperbolic", "signed_logp1",
    "signed_parabolic", "td_lambda", "transform_from_2hot", "transform_to_2hot",
    "transformed_general_off_policy_returns_from_action_values", "transformed_lambda_returns",
    "transformed_n_step_q_learning", "transformed_n_step_returns", "transformed_q_lambda", "transformed_retrace",
    "truncated_generalized_advantage_estimation", "twohot_pair", "unbiased_transform_pair", "vtrace",
    "vtrace_td_error_and_advantage",
}  # fmt: skip


def test_every_operator_has_a_case(capsys):
    names = {n for n, x in vars(rlax).items() if not n.startswith("_") and not inspect.ismodule(x)} - OVER_TIME
    compared = {case.operator for case in CASES.values()}
    with capsys.disabled():
        print(
            f"\n{len(compared & names)} of {len(names)} operators of a step, {len(DIFFERENCES)} deliberate differences"
        )
    assert compared == names
