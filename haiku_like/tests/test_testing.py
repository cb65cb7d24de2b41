import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

run = hk.testing.transform_and_run


def drawn(seed):
    return np.asarray(next(hk.PRNGSequence(seed)))


def test_init_and_apply_run_with_keys_of_their_own():
    seen = []

    @run
    def f(x, *, y):
        seen.append((hk.running_init(), np.asarray(hk.next_rng_key()).tolist()))
        return hk.get_parameter("w", [], init=jnp.ones) * (x + y)

    assert float(f(1.0, y=2.0)) == 3.0
    assert seen == [(True, drawn(42).tolist()), (False, drawn(43).tolist())]
    assert f.__name__ == "f"


def test_options():
    passed = []

    @run(seed=7, map_rng=lambda key: (passed.append(key), key)[1])
    def with_key():
        return hk.next_rng_key()

    np.testing.assert_array_equal(with_key(), drawn(8))
    np.testing.assert_array_equal(jnp.stack(passed), jnp.stack([jax.random.PRNGKey(7), jax.random.PRNGKey(8)]))
    assert run(lambda: hk.maybe_next_rng_key(), seed=None)() is None
    assert run(lambda: hk.running_init() or pytest.fail("apply ran"), run_apply=False)() is None


def test_state_goes_from_init_to_apply():
    @run
    def f():
        hk.set_state("n", hk.get_state("n", [], init=jnp.zeros) + 1)
        return hk.get_state("n")

    assert float(f()) == 1.0


def test_jax_transforms_do_not_trace_the_arguments():
    traced = []

    @run(jax_transform=jax.jit)
    def f(x, flag):
        traced.append(isinstance(x, jax.core.Tracer))
        return hk.Linear(2)(x) if flag else x

    assert f(jnp.ones([1, 3]), flag=True).shape == (1, 2)
    assert traced == [False, False]
    devices = jax.device_count()
    spread = run(lambda x: x + hk.next_rng_key()[0], jax_transform=jax.pmap, map_rng=lambda k: jnp.stack([k] * devices))
    assert spread(jnp.uint32(0)).shape == (devices,)


def test_what_is_no_function_is_refused():
    for wrong in (lambda: run(3), lambda: run(seed=1)(3)):
        with pytest.raises(TypeError, match="transform_and_run: f is 3 of type int, expected a function that builds a"):
            wrong()
