"""The table of programs under dm-haiku and haiku_like: parameters and state bit for bit, outputs, and the rest.

Beside parity: other dtypes, JAX's transforms, and the committed layout of parameters and state.
"""

import warnings

import haiku as dm
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk
from integration_tests.parity import golden
from integration_tests.parity.programs import everything, families, representatives

KEY = jax.random.PRNGKey(42)
TOLERANCES = {jnp.bfloat16: 2e-2, jnp.float16: 3e-3, jnp.float64: 1e-12}

programs = pytest.mark.parametrize("program", everything(), ids=lambda p: p.name)
one_for_each_name = pytest.mark.parametrize("program", representatives(), ids=lambda p: p.name)


def transformed(lib, program):
    return lib.transform_with_state(lambda *args: program.run(lib, *args))


def is_float(x):
    return jnp.issubdtype(getattr(x, "dtype", np.int32), jnp.floating)


def cast(args, dtype):
    return jax.tree.map(lambda x: jnp.asarray(x, dtype) if is_float(x) else x, args)


def largest_error(ours, theirs):
    """The largest error of any output, relative to the largest value of that output."""
    assert jax.tree.structure(ours) == jax.tree.structure(theirs) or (
        len(jax.tree.leaves(ours)) == len(jax.tree.leaves(theirs))
    )
    errors = [0.0]
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        a, b = jnp.asarray(a), jnp.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        a, b = (np.asarray(x).astype(np.float64) for x in (a, b))
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
        if a.size and not np.isnan(b).all():
            errors.append(np.nanmax(np.abs(a - b)) / max(np.nanmax(np.abs(b)), 1e-6))
    return max(errors)


def assert_identical(ours, theirs):
    ours, theirs = (
        [(path, name, value) for path, bundle in tree.items() for name, value in bundle.items()]
        for tree in (ours, theirs)
    )
    assert [entry[:2] for entry in ours] == [entry[:2] for entry in theirs]
    for (path, name, a), (_, _, b) in zip(ours, theirs, strict=True):
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
            assert (x.shape, x.dtype) == (y.shape, y.dtype), f"{path}/{name}"
            np.testing.assert_array_equal(np.asarray(x), np.asarray(y), err_msg=f"{path}/{name}")


def test_names_are_unique():
    names = [program.name for program in everything()]
    assert sorted(names) == sorted(set(names))


def test_every_module_has_a_program():
    modules = {
        prefix + name
        for prefix, namespace in (("", dm), ("nets.", dm.nets))
        for name, thing in vars(namespace).items()
        if isinstance(thing, type) and issubclass(thing, dm.Module) and thing not in (dm.Module, dm.RNNCore)
    }
    in_test_resnet = {f"nets.ResNet{depth}" for depth in (18, 34, 50, 101, 152, 200)}
    covered = {name for program in everything() for name in program.covers} | in_test_resnet
    print(f"{len(modules & covered)} of {len(modules)} modules of dm-haiku")
    assert modules <= covered, sorted(modules - covered)


@pytest.mark.optimized
@programs
def test_parity(program):
    with warnings.catch_warnings(action="ignore"):
        theirs = transformed(dm, program)
        dm_params, dm_state = theirs.init(KEY, *program.args)
        dm_out, dm_new_state = theirs.apply(dm_params, dm_state, KEY, *program.args)
    ours = transformed(hk, program)
    params, state = ours.init(KEY, *program.args)
    assert_identical(params, dm_params)
    assert_identical(state, dm_state)
    out, new_state = ours.apply(params, state, KEY, *program.args)
    assert largest_error(out, dm_out) <= program.tolerance
    assert {path: set(bundle) for path, bundle in new_state.items()} == {
        path: set(bundle) for path, bundle in dm_new_state.items()
    }
    # By path and name: dictionaries flatten in sorted order.
    assert largest_error(dict(new_state), dict(dm_new_state)) <= program.tolerance


@pytest.mark.thorough
@pytest.mark.parametrize("dtype", TOLERANCES, ids=lambda d: d.__name__)
@one_for_each_name
def test_other_dtypes(program, dtype, request):
    if not program.halves:
        pytest.skip("runs in float32 alone")
    if dtype == jnp.float64:
        request.getfixturevalue("x64")
    args = cast(program.args, dtype)
    ours = transformed(hk, program)
    params, state = ours.init(KEY, *args)
    out, new_state = ours.apply(params, state, KEY, *args)
    floats = [x for x in jax.tree.leaves(out) if is_float(x)]
    assert all(x.dtype == dtype for x in floats), [x.dtype for x in floats]
    assert all(bool(jnp.isfinite(x.astype(jnp.float32)).all()) for x in floats)
    try:
        with warnings.catch_warnings(action="ignore"):
            theirs = transformed(dm, program)
            dm_params, dm_state = theirs.init(KEY, *args)
            dm_out, dm_new_state = theirs.apply(dm_params, dm_state, KEY, *args)
    except Exception:  # dm-haiku can't: there is nothing to compare with.
        return
    assert_identical(params, dm_params)
    assert largest_error(out, dm_out) <= TOLERANCES[dtype]
    assert jax.tree.map(jnp.shape, dict(new_state)) == jax.tree.map(jnp.shape, dict(dm_new_state))


@pytest.mark.thorough
@one_for_each_name
def test_transforms_change_nothing(program):
    ours = transformed(hk, program)
    args = cast(program.args, jnp.float32)
    params, state = jax.jit(ours.init)(KEY, *args)
    out, new_state = ours.apply(params, state, KEY, *args)

    def apply(params, *args):
        return ours.apply(params, state, KEY, *args)

    jitted = jax.jit(apply)(params, *args)
    assert largest_error(jitted, (out, new_state)) < 1e-5
    shapes = jax.tree.map(lambda x: (x.shape, x.dtype), jax.eval_shape(apply, params, *args))
    assert shapes == jax.tree.map(lambda x: (x.shape, x.dtype), jitted)
    if program.differentiable:

        def loss(params, apply):
            return sum(jnp.sum(x.astype(jnp.float32)) for x in jax.tree.leaves(apply(params, *args)[0]) if is_float(x))

        grads = jax.jit(jax.grad(loss), static_argnums=1)(params, apply)
        assert all(bool(jnp.isfinite(g).all()) for g in jax.tree.leaves(grads))
        rematted = jax.jit(jax.grad(loss), static_argnums=1)(params, jax.checkpoint(apply))
        assert largest_error(rematted, grads) < 1e-5
    if program.batched:
        two = jax.tree.map(lambda x: jnp.stack([x, x[::-1]]) if jnp.ndim(x) else jnp.stack([x, x]), args)
        batch, _ = jax.jit(jax.vmap(lambda *args: apply(params, *args)))(*two)
        for i in range(2):
            one, _ = jax.jit(apply)(params, *jax.tree.map(lambda x, i=i: x[i], two))
            assert largest_error(jax.tree.map(lambda x, i=i: x[i], batch), one) < 1e-5


@pytest.mark.parametrize(("family", "members"), families().items())
def test_layouts_are_the_committed_ones(family, members):
    assert {program.name: golden.layout(program) for program in members} == golden.read(family)
