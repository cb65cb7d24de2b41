import threading

import jax
import pytest
from haiku_like._core.settings import Settings, settings

import haiku_like as hk

NAMES = ["check_jax_usage", "module_auto_repr", "restore_flatmap", "rng_reserve_size"]
STANDARD = {"check_jax_usage": False, "module_auto_repr": True, "restore_flatmap": False, "rng_reserve_size": 1}
OTHER = {"check_jax_usage": True, "module_auto_repr": False, "restore_flatmap": True, "rng_reserve_size": 3}


@pytest.fixture(autouse=True)
def standard_settings():
    yield
    assert vars(settings) == {}
    for name, value in STANDARD.items():
        setattr(Settings, name, value)


def now():
    return {name: getattr(settings, name) for name in NAMES}


def in_a_thread(f):
    found = []
    thread = threading.Thread(target=lambda: found.append(f()))
    thread.start()
    thread.join()
    return found[0]


def test_set_holds_in_all_threads_also_those_that_run_already():
    may_look, found = threading.Event(), []

    def work():
        found.append(now())
        may_look.wait(30)
        found.append(now())

    thread = threading.Thread(target=work)
    thread.start()
    hk.config.set(**OTHER)
    may_look.set()
    thread.join()
    assert now() == in_a_thread(now) == found[1] == OTHER
    in_a_thread(lambda: hk.config.set(**STANDARD))
    assert now() == STANDARD


@pytest.mark.parametrize("name", NAMES)
def test_context_holds_in_one_thread_until_the_block_ends(name):
    with hk.config.context(**{name: OTHER[name]}):
        assert now() == {**STANDARD, name: OTHER[name]}
        assert in_a_thread(now) == STANDARD
        with hk.config.context(**{name: STANDARD[name]}):
            assert now() == STANDARD
        assert now()[name] == OTHER[name]
    assert now() == STANDARD


def test_blocks_in_two_threads_overlap():
    inside, left = threading.Event(), threading.Event()
    found = []

    def work():
        with hk.config.context(rng_reserve_size=5):
            inside.set()
            left.wait(30)
            found.append(settings.rng_reserve_size)
        found.append(settings.rng_reserve_size)

    thread = threading.Thread(target=work)
    with hk.config.context(rng_reserve_size=4):
        thread.start()
        inside.wait(30)
        assert settings.rng_reserve_size == 4
    assert settings.rng_reserve_size == 1
    left.set()
    thread.join()
    assert found == [5, 1]


def test_set_in_a_block_holds_until_it_ends():
    with hk.config.context(rng_reserve_size=2):
        hk.config.set(rng_reserve_size=3, restore_flatmap=True)
        assert now() == {**STANDARD, "rng_reserve_size": 3, "restore_flatmap": True}
    assert now() == {**STANDARD, "restore_flatmap": True}


def test_an_exception_ends_the_block():
    with pytest.raises(RuntimeError, match="inside"), hk.config.context(**OTHER):
        raise RuntimeError("inside")
    assert now() == STANDARD


def test_a_context_may_decorate_a_function():
    @hk.config.context(rng_reserve_size=4)
    def decorated():
        return settings.rng_reserve_size

    assert [decorated(), decorated(), settings.rng_reserve_size] == [4, 4, 1]


@pytest.mark.parametrize("change", [hk.config.set, lambda **changes: hk.config.context(**changes).__enter__()])
def test_wrong_values_are_refused_and_nothing_is_changed(change):
    with pytest.raises(TypeError, match="config: check_jax_usage is 1 of type int, expected True or False"):
        change(rng_reserve_size=2, check_jax_usage=1)
    with pytest.raises(TypeError, match=r"config: rng_reserve_size is 2\.0 of type float, expected an integer"):
        change(restore_flatmap=True, rng_reserve_size=2.0)
    with pytest.raises(ValueError, match="config: rng_reserve_size is 0, expected at least 1"):
        change(rng_reserve_size=0)
    assert now() == STANDARD


def test_experimental_setters_return_what_held_before():
    assert hk.experimental.check_jax_usage() is False
    assert hk.experimental.check_jax_usage(False) is True
    assert hk.experimental.module_auto_repr(False) is True
    assert hk.experimental.module_auto_repr(True) is False
    assert hk.experimental.rng_reserve_size(4) == 1
    assert hk.experimental.rng_reserve_size(1) == 4
    with pytest.raises(ValueError, match="config: rng_reserve_size is 0, expected at least 1"):
        hk.experimental.rng_reserve_size(0)


def test_module_auto_repr():
    def shown():
        out = []
        hk.transform(lambda: out.append(repr(hk.Linear(3)))).init(None)
        return out[0]

    assert shown() == "Linear(output_size=3)"
    with hk.config.context(module_auto_repr=False):
        assert shown().startswith("<haiku_like.layers.linear.Linear object at")


def test_rng_reserve_size():
    with hk.config.context(rng_reserve_size=3):
        sequence = hk.PRNGSequence(0)
        next(sequence)
        assert len(sequence.internal_state[1]) == 2
    next(sequence)
    assert len(sequence.internal_state[1]) == 1


def test_check_jax_usage():
    model = hk.transform(lambda x: jax.vmap(lambda x: x * hk.get_parameter("w", [], init=jax.numpy.ones))(x))
    params, x = {"~": {"w": jax.numpy.ones([])}}, jax.numpy.ones(2)
    assert model.apply(params, x).shape == (2,)
    message = "get_parameter: reads parameter ~/w while check_jax_usage is set, under jax.vmap"
    with hk.config.context(check_jax_usage=True), pytest.raises(hk.JaxTransformError, match=message):
        model.apply(params, x)
