"""Mixed precision under dm-haiku and haiku_like, by policies of jmp: the same dtypes and numbers.

One difference is deliberate: dm-haiku creates an integer parameter in the floating dtype of the policy.
"""

import haiku as dm
import haiku_like.compat as hk
import jax
import jax.numpy as jnp
import jmp
import numpy as np
import pytest

KEY = jax.random.PRNGKey(42)
X = jnp.linspace(-1, 1, 6, dtype=jnp.float32).reshape(2, 3)
HALF = jmp.get_policy("params=float32,compute=bfloat16,output=float16")
FULL = jmp.get_policy("params=float16,compute=float32,output=bfloat16")


def described(tree):
    """The dtypes and the values of a tree, for comparison."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(str(getattr(x, "dtype", type(x))), np.asarray(x, np.float64).tolist()) for x in leaves]


def everything(lib, policies, program):
    """Runs a program under policies, and returns what it saw, its parameters, its state and its outputs."""
    seen = []
    model = lib.transform_with_state(lambda x: program(lib, kit, x, seen))
    kit = Kit(lib, seen)
    for name, policy in policies.items():
        lib.mixed_precision.set_policy(getattr(kit, name), policy)
    try:
        params, state = model.init(KEY, X)
        out, new_state = model.apply(params, state, KEY, X)
    finally:
        for name in policies:
            lib.mixed_precision.clear_policy(getattr(kit, name))
    return described((params, state, out, new_state)), seen


class Kit:
    """Modules built with a library."""

    def __init__(self, lib, seen):
        def see(tag, *values):
            dtypes = jax.tree.map(lambda x: str(getattr(x, "dtype", type(x))), values)
            seen.append((tag, dtypes, str(lib.mixed_precision.current_policy())))

        class Inner(lib.Module):
            def __call__(self, x):
                w = lib.get_parameter("w", [3], x.dtype, init=lib.initializers.RandomNormal())
                see("inner", x, w)
                return x * w

        class Derived(Inner):
            pass

        class Outer(lib.Module):
            def __init__(self, array, name=None):
                super().__init__(name)
                see("init", array)
                self.inner, self.derived = Inner(), Derived()

            def __call__(self, x, *, more):
                w = lib.get_parameter("w", [3], jnp.float16, init=lib.initializers.RandomNormal())
                s = lib.get_state("s", [3], jnp.float32, init=jnp.ones)
                lib.set_state("s", s + w)
                lib.set_state("t", x)
                y = self.helper(self.inner(x) + s)
                see("outer", x, w, s, y, more)
                return {"y": self.derived(y), "number": 1.5, "array": np.ones(2, np.float32), "int": jnp.arange(2)}

            def helper(self, x):
                see("helper", x)
                return x * 1.1

            @property
            def prop(self):
                return jnp.ones(2)

        self.Inner, self.Derived, self.Outer = Inner, Derived, Outer


def methods(lib, kit, x, seen):
    outer = kit.Outer(x)
    more = [x, np.ones(2), 1.0, np.float32(1), np.float64(1), jnp.arange(2)]
    return outer(x, more=more), outer.helper(x), outer.prop, kit.Inner()(x), kit.Derived()(x)


def hooks(lib, kit, x, seen):
    def create(next_creator, shape, dtype, init, context):
        seen.append(("create", str(jnp.dtype(dtype)), str(jnp.dtype(context.original_dtype))))
        return next_creator(shape, dtype, init)

    def get(next_getter, value, context):
        seen.append(("get", str(value.dtype)))
        value = next_getter(value)
        seen.append(("got", str(value.dtype)))
        return value

    def intercept(next_f, args, kwargs, context):
        out = next_f(*args, **kwargs)
        seen.append((context.method_name, *(str(getattr(x, "dtype", "")) for x in (*args, out))))
        return out

    with lib.custom_creator(create), lib.custom_getter(get), lib.intercept_methods(intercept):
        return kit.Outer(x)(x, more=1)


def lifts(lib, kit, x, seen):
    inner = lib.transform(lambda x: kit.Inner()(x), apply_rng=True)

    def run(x):
        return inner.apply(lib.lift(inner.init, name="lifted")(lib.next_rng_key(), x), None, x)

    return kit.Derived()(x), lib.to_module(run)("block")(x)


POLICIES = [{"Outer": HALF}, {"Outer": HALF, "Inner": FULL}, {"Inner": HALF, "Derived": FULL}, {}]


@pytest.mark.parametrize("program", [methods, hooks, lifts], ids=lambda f: f.__name__)
@pytest.mark.parametrize("policies", POLICIES, ids=lambda p: "+".join(p) or "none")
def test_programs(program, policies):
    ours, theirs = (everything(lib, policies, program) for lib in (hk, dm))
    assert ours[1] == theirs[1]
    assert ours[0] == theirs[0]


LAYERS = {
    "Linear": lambda lib: lib.Linear(2)(X),
    "Bias": lambda lib: lib.Bias()(X),
    "Conv1D": lambda lib: lib.Conv1D(2, 2)(X[None]),
    "Embed": lambda lib: lib.Embed(3, 2)(jnp.arange(3)),
    "LayerNorm": lambda lib: lib.LayerNorm(-1, True, True)(X),
    "BatchNorm": lambda lib: lib.BatchNorm(True, True, 0.9)(X, is_training=True),
    "LSTM": lambda lib: lib.LSTM(2)(X, lib.LSTM(2).initial_state(2)),
    "GRU": lambda lib: lib.GRU(2)(X, jnp.zeros([2, 2])),
    "MultiHeadAttention": lambda lib: lib.MultiHeadAttention(2, 3, w_init=lib.initializers.RandomNormal())(X, X, X),
    "ExponentialMovingAverage": lambda lib: lib.ExponentialMovingAverage(0.9)(X),
    "Sequential": lambda lib: lib.Sequential([lib.Linear(2), jnp.tanh])(X),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    """Dtypes agree; numbers to half precision, in which the layers of haiku_like accumulate more exactly."""
    results = []
    for lib in (hk, dm):
        lib.mixed_precision.set_policy(getattr(lib, name), HALF)
        try:
            model = lib.transform_with_state(lambda lib=lib: LAYERS[name](lib))
            params, state = jax.jit(model.init)(KEY)
            results.append((params, state, *jax.jit(model.apply)(params, state, KEY)))
        finally:
            lib.mixed_precision.clear_policy(getattr(lib, name))
    ours, theirs = (jax.tree.leaves(jax.tree.map(np.asarray, (r[:2], jax.tree.leaves(r[2]), r[3]))) for r in results)
    assert [x.dtype for x in ours] == [x.dtype for x in theirs]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=0.03, atol=0.02)
    for a, b in zip(jax.tree.leaves(results[0][0]), jax.tree.leaves(results[1][0]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_pushed_policies():
    def run(lib):
        mp, policies = lib.mixed_precision, []
        with mp.push_policy(lib.Linear, HALF):
            policies.append(mp.get_policy(lib.Linear))
            with mp.push_policy(lib.Linear, FULL):
                policies.append(mp.get_policy(lib.Linear))
                mp.set_policy(lib.Linear, HALF)
                policies.append(mp.get_policy(lib.Linear))
            policies.append(mp.get_policy(lib.Linear))
            mp.clear_policy(lib.Linear)
            policies.append(mp.get_policy(lib.Linear))
        return [*policies, mp.get_policy(lib.Linear), mp.current_policy()]

    assert run(hk) == run(dm) == [HALF, FULL, HALF, HALF, None, None, None]
