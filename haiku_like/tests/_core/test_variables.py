import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk


def parameter(shape=(2,), dtype=None, init=jnp.zeros, name="w"):
    return hk.transform(lambda: hk.get_parameter(name, shape, dtype, init=init))


def test_init_creates_and_apply_reads():
    f = parameter((2,), init=jnp.ones)
    params = f.init(None)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), params) == {"~": {"w": ((2,), jnp.float32)}}
    np.testing.assert_array_equal(f.apply(params), [1.0, 1.0])
    np.testing.assert_array_equal(f.apply({"~": {"w": jnp.array([3.0, 4.0])}}), [3.0, 4.0])


@pytest.mark.usefixtures("x64")
def test_the_default_dtype_is_float32_in_double_precision_too():
    assert parameter().init(None)["~"]["w"].dtype == jnp.float32
    assert parameter(dtype=jnp.float64).init(None)["~"]["w"].dtype == jnp.float64


def test_asking_twice_gives_the_same_parameter():
    def twice():
        first = hk.get_parameter("w", [2], init=hk.initializers.RandomNormal())
        return first, hk.get_parameter("w", [2], init=hk.initializers.RandomNormal())

    out = []
    hk.transform(lambda: out.append(twice())).init(0)
    assert out[0][0] is out[0][1]


@pytest.mark.parametrize("shape", [[2, 3], (2, 3), np.array([2, 3]), (np.int64(2), 3)])
def test_a_shape_is_any_sequence_of_integers(shape):
    assert parameter(shape).init(None)["~"]["w"].shape == (2, 3)


def test_apply_keeps_the_dtype_of_the_parameter_it_is_given():
    assert parameter().apply({"~": {"w": jnp.zeros(2, jnp.bfloat16)}}).dtype == jnp.bfloat16


def test_apply_does_not_change_what_it_is_given():
    params = {"~": {"w": jnp.zeros(2)}, "unused": {"v": 1.0}}
    state = {"~": {"s": jnp.zeros(())}}

    def f():
        hk.set_state("s", hk.get_state("s") + hk.get_parameter("w", [2], init=jnp.zeros).sum())
        hk.set_state("new", 1)

    _, after = hk.transform_with_state(f).apply(params, state, None)
    assert list(params) == ["~", "unused"]
    assert list(state["~"]) == ["s"]
    assert list(after["~"]) == ["s", "new"]


def test_a_parameter_of_another_shape_is_refused():
    params = {"linear": {"w": jnp.zeros([3, 4]), "b": jnp.zeros(4)}}
    message = (
        "get_parameter: parameter linear/w in the params passed to apply has shape (3, 4), expected (2, 4). "
        "Pass the params that init returned for inputs of this size."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        hk.transform(lambda x: hk.Linear(4)(x)).apply(params, jnp.zeros([1, 2]))


def test_a_module_called_with_two_sizes_is_refused():
    def f(x):
        layer = hk.Linear(2)
        return layer(layer(x))

    message = "get_parameter: parameter linear/w that this call created earlier has shape (3, 2), expected (2, 2)."
    with pytest.raises(ValueError, match=re.escape(message)):
        hk.transform(f).init(0, jnp.zeros([1, 3]))


def test_an_initializer_that_returns_another_shape_is_refused():
    message = "get_parameter: parameter ~/w that init(shape, dtype) returned has shape (3,), expected (2,)."
    with pytest.raises(ValueError, match=re.escape(message)):
        parameter(init=lambda shape, dtype: jnp.zeros(3)).init(None)


def test_a_missing_parameter_is_refused_with_what_there_is():
    f = hk.transform(lambda x: hk.Linear(4, name="head")(x))
    x = jnp.zeros([1, 2])
    with pytest.raises(ValueError, match=r"parameter head/w is missing.*; there is no module head, they are empty"):
        f.apply({}, x)
    with pytest.raises(ValueError, match=r"there is no module head, the closest are \['heads'\]"):
        f.apply({"body": {}, "heads": {}}, x)
    with pytest.raises(ValueError, match=r"parameter head/w is missing.*; head has \['b', 'v'\]\..*init only"):
        f.apply({"head": {"v": 0, "b": 0}}, x)


def test_a_parameter_without_initializer_is_refused():
    message = "get_parameter: parameter ~/w does not exist and init is None, expected a function of shape and dtype"
    with pytest.raises(ValueError, match=re.escape(message)):
        parameter(init=None).init(None)
    with pytest.raises(TypeError, match=r"get_parameter: init of parameter ~/w is 0.0, expected a function"):
        parameter(init=0.0).init(None)


@pytest.mark.parametrize("shape", [3, (2, -1), (1.5,), "ab", None])
def test_a_shape_that_is_none_is_refused(shape):
    message = f"get_parameter: shape of 'w' is {shape!r}, expected a sequence of integers that are not negative"
    with pytest.raises(TypeError, match=re.escape(message)):
        parameter(shape).init(None)


@pytest.mark.parametrize("name", ["", 3, None])
def test_a_name_that_is_none_is_refused(name):
    for f in (
        lambda: hk.get_parameter(name, [], init=jnp.zeros),
        lambda: hk.get_state(name, [], init=jnp.zeros),
        lambda: hk.set_state(name, 0),
    ):
        with pytest.raises(TypeError, match=r"name is .*, expected a string that is not empty"):
            hk.transform_with_state(f).init(None)


def counter():
    count = hk.get_state("count", [], jnp.int32, init=jnp.zeros)
    hk.set_state("count", count + 1)
    return count, hk.get_state("count")


def test_init_returns_the_first_value_of_a_state_and_apply_the_last():
    f = hk.transform_with_state(counter)
    params, state = f.init(None)
    assert (params, int(state["~"]["count"])) == ({}, 0)
    for step in range(3):
        (before, after), state = f.apply(params, state, None)
        assert (int(before), int(after), int(state["~"]["count"])) == (step, step + 1, step + 1)


def test_the_first_set_state_is_the_initial_value():
    def f():
        hk.set_state("s", 1)
        hk.set_state("s", 2)

    assert hk.transform_with_state(f).init(None)[1] == {"~": {"s": 1}}
    assert hk.transform_with_state(f).apply({}, {}, None)[1] == {"~": {"s": 2}}


def test_apply_may_create_state():
    assert int(hk.transform_with_state(counter).apply({}, {}, None)[1]["~"]["count"]) == 1


def test_state_is_any_pytree_of_any_shape():
    f = hk.transform_with_state(lambda: hk.get_state("s", init=lambda shape, dtype: {"shape": shape, "list": [1, 2]}))
    assert f.apply({}, {}, None)[0] == {"shape": None, "list": [1, 2]}
    kept = hk.transform_with_state(lambda: hk.get_state("s", [2], init=jnp.zeros))
    assert kept.apply({}, {"~": {"s": jnp.zeros(7)}}, None)[0].shape == (7,)


def test_state_has_the_path_of_its_module():
    class Memory(hk.Module):
        def __call__(self):
            hk.set_state("s", 1)

    assert hk.transform_with_state(lambda: Memory()()).apply({}, {}, None)[1] == {"memory": {"s": 1}}


def test_a_missing_state_without_initializer_is_refused():
    message = (
        "get_state: state ~/s does not exist and init is None, expected a function of shape and dtype that creates"
    )
    for run in (lambda f: f.init(None), lambda f: f.apply({}, {}, None)):
        with pytest.raises(ValueError, match=re.escape(message)):
            run(hk.transform_with_state(lambda: hk.get_state("s")))


def test_outside_transform_is_refused():
    for function, name in (
        (lambda: hk.get_parameter("w", [], init=jnp.zeros), "get_parameter"),
        (lambda: hk.get_state("s"), "get_state"),
        (lambda: hk.set_state("s", 0), "set_state"),
    ):
        with pytest.raises(hk.UsageError, match=f"{name}: used outside hk.transform, expected use inside a function"):
            function()


def test_a_number_from_an_initializer_becomes_an_array():
    value = parameter([], jnp.bfloat16, init=lambda shape, dtype: 0.5).init(None)["~"]["w"]
    assert isinstance(value, jax.Array)
    assert value.dtype == jnp.bfloat16


@pytest.mark.parametrize("init", [lambda shape, dtype: None, lambda shape, dtype: [0.0], hk.initializers.RandomNormal])
def test_an_initializer_that_returns_no_array_is_refused(init):
    message = (
        r"get_parameter: parameter ~/w that init\(shape, dtype\) returned is .*, expected an array of shape \(\)\."
    )
    with pytest.raises(TypeError, match=message):
        parameter([], init=init).init(None)


def test_a_parameter_that_is_none_is_said_to_be():
    with pytest.raises(ValueError, match=r"parameter ~/w is missing from the params passed to apply; there it is None"):
        parameter().apply({"~": {"w": None}})


def test_a_state_may_be_none():
    f = hk.transform_with_state(lambda: hk.get_state("s", init=lambda shape, dtype: 1))
    assert f.apply({}, {"~": {"s": None}}, None) == (None, {"~": {"s": None}})


def test_a_state_whose_initializer_needs_a_shape_says_so():
    with pytest.raises(TypeError) as caught:
        hk.transform_with_state(lambda: hk.get_state("s", init=jnp.zeros)).init(None)
    assert caught.value.__notes__ == ["get_state: state ~/s has shape=None, expected the shape to create it in."]


def test_get_params_and_states_are_copies_of_what_there_is_now():
    def f():
        before = hk.get_params(), hk.get_current_state(), hk.get_initial_state()
        hk.get_parameter("w", [], init=jnp.ones)
        hk.set_state("s", 1)
        hk.set_state("s", 2)
        after = hk.get_params(), hk.get_current_state(), hk.get_initial_state()
        for copied in (*before, *after):
            copied.setdefault("~", {})["w"] = copied["~"]["s"] = copied["new"] = None
        return hk.get_parameter("w", [], init=jnp.ones), hk.get_state("s")

    seen = []
    params, state = hk.transform_with_state(lambda: seen.append(f())).init(None)
    assert (float(seen[0][0]), seen[0][1]) == (1.0, 2)
    assert (list(params), list(params["~"]), state) == (["~"], ["w"], {"~": {"s": 1}})
    given, given_state = {"~": {"w": jnp.zeros([])}}, {"~": {"s": 7}}
    out, after = hk.transform_with_state(f).apply(given, given_state, None)
    assert (float(out[0]), out[1], after) == (0.0, 2, {"~": {"s": 2}})
    assert (list(given), list(given["~"]), given_state) == (["~"], ["w"], {"~": {"s": 7}})


def test_what_they_return():
    def f(seen):
        seen.append((hk.get_params(), hk.get_current_state(), hk.get_initial_state()))
        hk.Linear(1, with_bias=False, w_init=jnp.ones)(jnp.ones([1, 1]))
        hk.set_state("s", 3)
        hk.set_state("new", 4)
        hk.set_state("new", 5)
        seen.append((hk.get_params(), hk.get_current_state(), hk.get_initial_state()))

    seen = []
    model = hk.transform_with_state(lambda: f(seen))
    model.init(None)
    model.apply({"linear": {"w": jnp.ones([1, 1])}, "unused": {"v": 1}}, {"~": {"s": 2}}, None)
    assert seen == [
        ({}, {}, {}),
        ({"linear": {"w": 1}}, {"~": {"s": 3, "new": 5}}, {"~": {"s": 3, "new": 4}}),
        ({"linear": {"w": 1}, "unused": {"v": 1}}, {"~": {"s": 2}}, {"~": {"s": 2}}),
        ({"linear": {"w": 1}, "unused": {"v": 1}}, {"~": {"s": 3, "new": 5}}, {"~": {"s": 2, "new": 4}}),
    ]


def test_they_are_refused_outside_a_transform():
    for function in (hk.get_params, hk.get_current_state, hk.get_initial_state):
        with pytest.raises(hk.UsageError, match=f"{function.__name__}: used outside hk.transform, expected use inside"):
            function()


def test_the_shape_of_a_state_is_checked_where_it_exists_too():
    def f():
        hk.set_state("s", 1)
        return hk.get_state("s", [1.5])

    with pytest.raises(TypeError, match=r"get_state: shape of 's' is \[1\.5\], expected a sequence of integers"):
        hk.transform_with_state(f).init(None)


@pytest.mark.parametrize("value", [[1.0, 2.0], "ab", object()])
def test_a_parameter_that_is_no_array_is_refused_in_apply(value):
    with pytest.raises(TypeError, match=r"~/w in the params passed to apply is .*, expected an array of shape \(2,\)"):
        parameter().apply({"~": {"w": value}})


def test_a_parameter_may_be_a_numpy_array_or_a_number():
    assert parameter().apply({"~": {"w": np.ones(2)}}).tolist() == [1.0, 1.0]
    assert parameter([]).apply({"~": {"w": 2.5}}) == 2.5
