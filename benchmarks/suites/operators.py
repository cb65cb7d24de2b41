"""Every operator of rlax that computes something, compiled, beside rlax on the same arrays."""

import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import rlax_like
from benchmarks.case import Case, Numbers, bound, check_alike

with warnings.catch_warnings(action="ignore"):
    import rlax

KEY = jax.random.PRNGKey(0)


class Call(NamedTuple):
    """How an operator is called.

    Attributes:
      name: The operator.
      call: Called with a library and the arrays.
      arrays: By parameter.
      over: The axis over which rlax is mapped by `vmap`, for each array or for all; None where it takes batches.
      tolerance: How far the results may differ.
    """

    name: str
    call: Callable[..., Any]
    arrays: dict[str, Any]
    over: Any
    tolerance: float = 1e-4


def plain(name: str, over: Any = 0, *, fixed: dict[str, Any] | None = None, tolerance: Any = 1e-4, **arrays: Any):
    """Returns a call with keyword arguments, some of which are constants."""

    def call(lib: Any, arrays: dict[str, Any]) -> Any:
        return getattr(lib, name)(**arrays, **(fixed or {}))

    return Call(name, call, arrays, over, tolerance)


def by(name: str, call: Callable[..., Any], over: Any = None, tolerance: Any = 1e-4, **arrays: Any) -> Call:
    """Returns a call as a function of the library and the arrays."""
    return Call(name, lambda lib, arrays: call(lib, **arrays), arrays, over, tolerance)


def steps(n: int, a: int, draw: Numbers) -> Iterator[Call]:
    """Yields the operators of one step, on a batch of `n` with `a` actions."""
    r_t, discount_t, v_tm1, v_t = draw.normal(n), draw.uniform(n), draw.normal(n), draw.normal(n)
    q_tm1, q_t, q_select, p_t = draw.normal(n, a), draw.normal(n, a), draw.normal(n, a), draw.probs(n, a)
    step: dict[str, Any] = {"r_t": r_t, "discount_t": discount_t}
    a_tm1, a_t = draw.integers(a, n), draw.integers(a, n)
    of_q = {"q_tm1": q_tm1, "a_tm1": a_tm1, **step}
    yield plain("td_learning", v_tm1=v_tm1, **step, v_t=v_t)
    yield plain("sarsa", **of_q, q_t=q_t, a_t=a_t)
    yield plain("expected_sarsa", **of_q, q_t=q_t, probs_a_t=p_t)
    yield plain("q_learning", **of_q, q_t=q_t)
    yield plain("double_q_learning", **of_q, q_t_value=q_t, q_t_selector=q_select)
    yield plain("persistent_q_learning", **of_q, q_t=q_t, action_gap_scale=draw.uniform(n))
    yield plain("qv_learning", **of_q, v_t=v_t)
    yield plain("qv_max", v_tm1=v_tm1, **step, q_t=q_t)
    yield plain("l2_loss", None, predictions=v_tm1, targets=v_t)
    yield plain("huber_loss", None, x=v_t)
    yield plain("likelihood", None, predictions=draw.uniform(n), targets=draw.uniform(n))
    yield plain("log_loss", None, predictions=draw.uniform(n), targets=draw.uniform(n))
    yield plain("expectile_loss", None, fixed={"expectile": 0.3}, predictions=v_tm1, targets=v_t)
    yield plain("batched_index", None, values=q_t, indices=a_t)
    yield plain("one_hot", None, fixed={"num_classes": a}, indices=a_t)
    yield plain("policy_gradient_loss", None, logits_t=q_t, a_t=a_t, adv_t=v_t, w_t=discount_t)
    yield plain("entropy_loss", None, logits_t=q_t, w_t=discount_t)
    yield plain("dpg_loss", a_t=q_t, dqda_t=q_select, fixed={"dqda_clipping": 1.0})
    for name in ("qpg_loss", "rm_loss", "rpg_loss"):
        yield plain(name, None, logits_t=q_tm1, q_t=q_t)
    yield plain("clipped_surrogate_pg_loss", None, fixed={"epsilon": 0.2}, prob_ratios_t=1 + v_t / 2, adv_t=r_t)
    yield plain("categorical_cross_entropy", None, labels=p_t, logits=q_t)
    yield plain("categorical_kl_divergence", None, p_logits=q_tm1, q_logits=q_t)
    yield plain("categorical_importance_sampling_ratios", None, pi_logits_t=q_tm1, mu_logits_t=q_t, a_t=a_t)
    yield plain("categorical_sample", None, fixed={"key": KEY}, probs=p_t)
    yield plain("multivariate_normal_kl_divergence", None, mu_0=q_tm1, sigma_0=p_t, mu_1=q_t, sigma_1=p_t[::-1])
    yield plain("embed_oar", None, fixed={"num_actions": a}, features=q_t, action=a_t, reward=r_t)
    yield plain("add_gaussian_noise", None, fixed={"key": KEY, "stddev": 0.3}, action=q_t)
    settings = {"key": KEY, "dirichlet_alpha": 0.3, "dirichlet_fraction": 0.25}
    yield plain("add_dirichlet_noise", None, fixed=settings, prior=p_t[: n // 32])
    settings = {"key": KEY, "damping": 0.3, "stddev": 0.3}
    yield plain("add_ornstein_uhlenbeck_noise", None, fixed=settings, action=q_t.ravel(), noise_tm1=q_tm1.ravel())
    for name, policy in {
        "softmax": lambda lib: lib.softmax(0.7),
        "epsilon_greedy": lambda lib: lib.epsilon_greedy(0.1),
        "clipped_entropy_softmax": lambda lib: lib.clipped_entropy_softmax(0.7, 0.9),
    }.items():
        yield by(f"{name}: sample", lambda lib, x, p=policy: p(lib).sample(KEY, x), x=q_t)
        yield by(f"{name}: entropy", lambda lib, x, p=policy: p(lib).entropy(x), x=q_t)
        yield by(f"{name}: logprob", lambda lib, x, a, p=policy: p(lib).logprob(a, x), x=q_t, a=a_t)
    for name in ("logprob", "entropy", "sample"):

        def gaussian(lib: Any, mu: Any, sigma: Any, x: Any, name: str = name) -> Any:
            d = lib.gaussian_diagonal()
            return {"logprob": lambda: d.logprob(x, mu, sigma), "entropy": lambda: d.entropy(mu, sigma),
                    "sample": lambda: d.sample(KEY, mu, sigma)}[name]()  # fmt: skip

        yield by(f"gaussian_diagonal: {name}", gaussian, mu=q_t, sigma=p_t, x=q_tm1)


def distributional(n: int, a: int, draw: Numbers) -> Iterator[Call]:
    """Yields the operators on distributions of the return, on a batch of `n` with `a` actions."""
    bins = 51
    atoms, z_p = jnp.linspace(-10.0, 10.0, bins), jnp.sort(draw.normal(n, bins) * 5)
    step: dict[str, Any] = {"r_t": draw.normal(n), "discount_t": draw.uniform(n)}
    logits, next_logits = draw.normal(n, a, bins), draw.normal(n, a, bins)
    a_tm1, q_select = draw.integers(a, n), draw.normal(n, a)

    def shared(**arrays: Any) -> tuple[dict[str, Any], dict[str, int | None]]:
        return arrays, {k: None if k.endswith(("atoms_tm1", "atoms_t", "z_q")) else 0 for k in arrays}

    arrays, over = shared(z_p=z_p, probs=draw.probs(n, bins), z_q=atoms)
    yield plain("categorical_l2_project", over, **arrays, tolerance=1e-3)
    values = {"v_atoms_tm1": atoms, "v_logits_tm1": logits[:, 0], "v_atoms_t": atoms, "v_logits_t": next_logits[:, 0]}
    arrays, over = shared(**values, **step)
    yield plain("categorical_td_learning", over, **arrays, tolerance=1e-3)
    of_actions = {"q_atoms_tm1": atoms, "q_logits_tm1": logits, "a_tm1": a_tm1, **step, "q_atoms_t": atoms}
    arrays, over = shared(**of_actions, q_logits_t=next_logits)
    yield plain("categorical_q_learning", over, **arrays, tolerance=1e-3)
    arrays, over = shared(**of_actions, q_logits_t=next_logits, q_t_selector=q_select)
    yield plain("categorical_double_q_learning", over, **arrays, tolerance=1e-3)
    taus = draw.uniform(n, bins)
    source, target = draw.normal(n, bins, a), draw.normal(n, bins, a)
    dist = {"dist_src": source[..., 0], "tau_src": taus, "dist_target": target[..., 0]}
    yield plain("quantile_regression_loss", 0, **dist, fixed={"huber_param": 1.0})
    of_dist = {"dist_q_tm1": source, "tau_q_tm1": taus, "a_tm1": a_tm1, **step, "dist_q_t": target}
    yield plain("quantile_q_learning", 0, **of_dist, dist_q_t_selector=target, fixed={"huber_param": 1.0})
    yield plain("quantile_expected_sarsa", 0, **of_dist, probs_a_t=draw.probs(n, a), fixed={"huber_param": 1.0})
    two_hot = {"min_value": -20.0, "max_value": 20.0, "num_bins": bins}
    yield plain("transform_to_2hot", None, fixed=two_hot, scalar=draw.normal(n) * 5, tolerance=1e-2)
    yield plain("transform_from_2hot", None, fixed=two_hot, probs=draw.probs(n, bins))


def transforms(n: int, draw: Numbers) -> Iterator[Call]:
    """Yields the transforms of values, on `n` numbers."""
    x = 3 * draw.normal(n)
    for name in ("signed_logp1", "signed_expm1", "signed_hyperbolic", "signed_parabolic", "sigmoid"):
        yield plain(name, None, x=x, tolerance=1e-2)
    yield plain("logit", None, x=draw.uniform(n))
    yield plain("power", None, fixed={"p": 0.7}, x=x)


def sequences(t: int, b: int, a: int, draw: Numbers) -> Iterator[Call]:
    """Yields the operators that run over time, on arrays of `[t, b]` over which rlax is mapped along axis 1."""
    r_t, v_t, v_tm1 = draw.normal(t, b), draw.normal(t, b), draw.normal(t, b)
    step: dict[str, Any] = {"r_t": r_t, "discount_t": draw.uniform(t, b)}
    q_tm1, q_t, pi_t, mu_t = draw.normal(t, b, a), draw.normal(t, b, a), draw.probs(t, b, a), draw.uniform(t, b)
    a_tm1, a_t, c_t, rho = draw.integers(a, t, b), draw.integers(a, t, b), draw.uniform(t, b), draw.uniform(t, b) * 2
    weight = {"lambda_": 0.9}
    of_q = {"q_tm1": q_tm1, "q_t": q_t, "a_tm1": a_tm1, **step}
    values = {"v_tm1": v_tm1, "v_t": v_t, **step, "rho_tm1": rho}
    yield plain("lambda_returns", 1, **step, v_t=v_t, fixed=weight)
    yield plain("discounted_returns", 1, **step, v_t=v_t)
    yield plain("n_step_bootstrapped_returns", 1, **step, v_t=v_t, fixed={"n": 5})
    yield plain("general_off_policy_returns_from_q_and_v", 1, q_t=v_tm1[:-1], v_t=v_t, **step, c_t=c_t[:-1])
    off_policy = {"q_t": q_t, "a_t": a_t, **step, "c_t": c_t, "pi_t": pi_t}
    yield plain("general_off_policy_returns_from_action_values", 1, **off_policy)
    all_values = draw.normal(t + 1, b)
    yield plain("truncated_generalized_advantage_estimation", 1, **step, values=all_values, fixed=weight)
    yield plain("td_lambda", 1, v_tm1=v_tm1, **step, v_t=v_t, fixed=weight)
    yield plain("vtrace", 1, **values)
    yield plain("leaky_vtrace", 1, **values, fixed={"alpha_": 0.5})
    # rlax bootstraps from the value of the next state left, so only the errors and the shapes are the same.
    of_all = {**values, "v_tm1": all_values[:-1], "v_t": all_values[1:]}
    yield plain("vtrace_td_error_and_advantage", 1, **of_all)
    yield plain("leaky_vtrace_td_error_and_advantage", 1, **of_all, fixed={"alpha": 0.5})
    yield plain("retrace", 1, **of_q, a_t=a_t, pi_t=pi_t, mu_t=mu_t, fixed=weight)
    log_rhos = draw.normal(t - 1, b)
    yield plain("retrace_continuous", 1, q_tm1=v_tm1, q_t=v_tm1[1:], v_t=v_t, **step, log_rhos=log_rhos, fixed=weight)
    yield plain("sarsa_lambda", 1, **of_q, a_t=a_t, fixed=weight)
    yield plain("q_lambda", 1, **of_q, fixed=weight)
    pair = "SIGNED_HYPERBOLIC_PAIR"

    def transformed(name: str, order: str, *fixed: Any, **arrays: Any) -> Call:
        def call(lib: Any, arrays: dict[str, Any]) -> Any:
            return getattr(lib, name)(getattr(lib, pair), *(arrays[k] for k in order.split()), *fixed)

        return Call(name, call, arrays, 1, 1e-2)

    yield transformed("transformed_lambda_returns", "r_t discount_t v_t", 0.9, **step, v_t=v_t)
    yield transformed("transformed_n_step_returns", "r_t discount_t v_t", 5, **step, v_t=v_t)
    order = "q_t a_t r_t discount_t c_t pi_t"
    yield transformed("transformed_general_off_policy_returns_from_action_values", order, **off_policy)

    def with_pair(lib: Any, arrays: dict[str, Any], name: str, **fixed: Any) -> Any:
        return getattr(lib, name)(**arrays, **fixed, tx_pair=getattr(lib, pair))

    for name, arrays, fixed in (
        ("transformed_q_lambda", of_q, weight),
        ("transformed_retrace", {**of_q, "a_t": a_t, "pi_t": pi_t, "mu_t": mu_t}, weight),
        ("transformed_n_step_q_learning", {"q_tm1": q_tm1, "a_tm1": a_tm1, "target_q_t": q_t, "a_t": a_t, **step},
         {"n": 5}),
    ):  # fmt: skip
        yield Call(name, functools.partial(with_pair, name=name, **fixed), arrays, 1, 2e-2)


def others(n: int, draw: Numbers) -> Iterator[Call]:
    """Yields what fits in no other family."""
    images = draw.normal(9, 8 * n, 16, 3)
    yield plain("pixel_control_rewards", None, fixed={"cell_size": 4}, observations=images)
    settings = {"cell_size": 4, "discount_factor": 0.9}
    actions, values = draw.integers(4, 8), draw.normal(9, 2 * n, 4, 4)
    yield plain("pixel_control_loss", None, fixed=settings, observations=images, actions=actions, action_values=values)
    yield plain("feature_control_rewards", None, features=draw.normal(256, 4 * n))
    state = {"shift": draw.normal(16), "scale": draw.uniform(16), "second_moment": 3 + draw.uniform(16)}
    indices = draw.integers(16, 64 * n)

    def of_state(name: str, value: str) -> Call:
        def call(lib: Any, shift: Any, scale: Any, second_moment: Any, indices: Any, x: Any) -> Any:
            return getattr(lib, name)(lib.PopArtState(shift, scale, second_moment), indices=indices, **{value: x})

        return by(name, call, **state, indices=indices, x=draw.normal(64 * n))

    yield of_state("normalize", "unnormalized")
    yield of_state("unnormalize", "normalized")
    log_probs, q_values = draw.normal(20, 8 * n), draw.normal(20, 8 * n)

    def constraints(lib: Any, alpha: Any, kl: Any) -> dict[str, Any]:
        return {
            "temperature_constraint": lib.LagrangePenalty(alpha, 0.1),
            "kl_constraints": [(kl, lib.LagrangePenalty(alpha, 0.05))],
        }

    def mpo(lib: Any, log_probs: Any, q_values: Any, alpha: Any, kl: Any) -> Any:
        return lib.mpo_loss(log_probs, q_values, **constraints(lib, alpha, kl))[0]

    def vmpo(lib: Any, log_probs: Any, advantages: Any, alpha: Any, kl: Any) -> Any:
        return lib.vmpo_loss(log_probs, advantages, **constraints(lib, alpha, kl))[0]

    dual = {"alpha": draw.uniform(), "kl": draw.uniform(8 * n)}
    yield by("mpo_loss", mpo, log_probs=log_probs, q_values=q_values, **dual)
    yield by("vmpo_loss", vmpo, log_probs=log_probs[0], advantages=q_values[0], **dual)
    data, points = draw.normal(16 * n, 8), draw.normal(n, 8)
    yield by("knn_query", lambda lib, data, points: lib.knn_query(data, points, 5).neighbors, data=data, points=points)
    subsequences = {"subsequence_len": 8, "max_valid_start_idx": 8}
    starts, trajectories = draw.integers(8, n, 4), draw.normal(16, n, 32)
    yield plain("extract_subsequences", None, fixed=subsequences, trajectories=trajectories, start_indices=starts)
    yield plain("fix_step_type_on_interruptions", None, step_type=draw.integers(3, 256, 4 * n))
    tree = {"a": draw.normal(512, 4 * n), "b": draw.normal(n)}
    other = {"a": draw.normal(512, 4 * n), "b": draw.normal(n)}
    yield by("periodic_update", lambda lib, x, y, i: lib.periodic_update(x, y, i, 3), x=tree, y=other, i=jnp.int32(6))
    mask = draw.integers(2, 512) > 0
    yield by("replace_masked", lambda lib, x, y, m: lib.replace_masked(x, y, m), x=tree["a"], y=other["a"], m=mask)


def operators(tiny: bool) -> Iterator[Case]:
    """The operators, each beside rlax on the same arrays, in the layout that ours takes."""
    draw = Numbers()
    n, a = (64, 3) if tiny else (65536, 18)
    t, b = (7, 3) if tiny else (256, 256)
    families = {
        f"batch {n}, {a} actions": steps(n, a, draw),
        f"batch {n // 32}, {a} actions, 51 bins": distributional(n // 32, a, draw),
        f"{16 * n} numbers": transforms(16 * n, draw),
        f"[{t}, {b}]": sequences(t, b, 8, draw),
        "": others(8 if tiny else 64, draw),
    }
    for sizes, calls in families.items():
        for call in calls:
            theirs = functools.partial(call.call, rlax)
            if call.over is not None:
                theirs = jax.vmap(theirs, in_axes=(over(call),), out_axes=call.over if call.over == 1 else 0)
            contestants = {
                "rlax_like": bound(functools.partial(call.call, rlax_like), call.arrays),
                "rlax": bound(theirs, call.arrays),
            }
            check_alike({name: run() for name, run in contestants.items()}, call.tolerance)
            yield Case(f"{call.name}, {sizes}".rstrip(", "), "rlax_like", contestants, "operators")


def over(call: Call) -> Any:
    """Returns the axis of each array over which rlax is mapped."""
    return call.over if isinstance(call.over, dict) else dict.fromkeys(call.arrays, call.over)
