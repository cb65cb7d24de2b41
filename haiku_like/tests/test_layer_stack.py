import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk

WS = np.array([2, 3, 5], "float32")
NAME = "__layer_stack_no_per_layer"
NAME_PER_LAYER = "__layer_stack_with_per_layer"


def weight():
    return hk.get_parameter("w", [], init=hk.initializers.Constant(2))


def affine(x, b=1.0):
    return weight() * x + b


def count():
    calls = hk.get_state("calls", [], init=jnp.zeros)
    hk.set_state("calls", calls + 1)
    return calls


def written_out(order, x=1.0):
    for i in order:
        x = WS[i] * x + 1
    return float(x)


@pytest.mark.parametrize("unroll", [1, 2, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_it_is_the_layers_one_after_the_other(unroll, reverse):
    model = hk.transform(lambda x: hk.layer_stack(3, unroll=unroll)(affine)(x, reverse=reverse))
    params = model.init(None, 1.0)
    assert {path: {n: v.tolist() for n, v in bundle.items()} for path, bundle in params.items()} == {
        f"{NAME}/~": {"w": [2, 2, 2]}
    }
    out = jax.jit(model.apply)({f"{NAME}/~": {"w": WS}}, 1.0)
    assert float(out) == written_out((2, 1, 0) if reverse else (0, 1, 2))


def test_several_inputs_are_several_outputs():
    model = hk.transform(lambda x, t: hk.layer_stack(3)(lambda x, t: (affine(x), {"n": t["n"] + 1}))(x, t))
    x, t = model.apply({f"{NAME}/~": {"w": WS}}, 1.0, {"n": 4})
    assert (float(x), int(t["n"])) == (written_out((0, 1, 2)), 7)


@pytest.mark.parametrize("reverse", [False, True])
def test_inputs_and_outputs_of_each_layer(reverse):
    def layer(x, b, reverse):
        assert reverse is expected
        y = affine(x, b["b"])
        return y, {"out": y, "none": None}

    expected = reverse
    decorate = hk.layer_stack(3, with_per_layer_inputs=True, pass_reverse_to_layer_fn=True)
    model = hk.transform(lambda x, b: decorate(layer)(x, {"b": b}, reverse=reverse))
    b = jnp.array([1.0, 10.0, 100.0])
    params = model.init(None, 1.0, b)
    assert list(params) == [f"{NAME_PER_LAYER}/~"]
    x, outs = model.apply({f"{NAME_PER_LAYER}/~": {"w": WS}}, 1.0, b)
    # 2 + 1 = 3, 9 + 10 = 19, 95 + 100 = 195; in reverse 5 + 100 = 105, 315 + 10 = 325, 650 + 1 = 651.
    assert (float(x), outs["out"].tolist()) == ((651, [651, 325, 105]) if reverse else (195, [3, 19, 195]))
    assert outs["none"] is None


def test_without_inputs_of_each_layer_there_may_be_outputs():
    model = hk.transform(lambda x: hk.layer_stack(3, with_per_layer_inputs=True)(lambda x: (affine(x), x))(x))
    x, before = model.apply({f"{NAME_PER_LAYER}/~": {"w": WS}}, 1.0)
    assert (float(x), before.tolist()) == (written_out((0, 1, 2)), [1, 3, 10])


def test_layers_get_parameters_and_keys_of_their_own():
    def noisy(x):
        w = hk.get_parameter("w", [], init=hk.initializers.RandomUniform())
        noise = jax.random.key_data(hk.next_rng_key())[0].astype("float32")
        return x, (w, noise)

    model = hk.transform(lambda: hk.layer_stack(3, True)(noisy)(0.0)[1], apply_rng=True)
    params = model.init(jax.random.key(0))
    w, noise = model.apply(params, jax.random.key(1))
    assert len(set(w.tolist())) == len(set(noise.tolist())) == 3
    assert w.tolist() == params[f"{NAME_PER_LAYER}/~"]["w"].tolist()


def test_state_of_the_layers():
    def layer(x):
        return x + count() * hk.get_state("scale", [], init=jnp.ones)

    model = hk.transform_with_state(lambda x: hk.layer_stack(2)(layer)(x))
    params, state = model.init(None, 1.0)
    # What init returns is the state after a first run, as in dm-haiku.
    assert {n: v.tolist() for n, v in state[f"{NAME}/~"].items()} == {"calls": [1, 1], "scale": [1, 1]}
    state = {f"{NAME}/~": {"calls": jnp.array([1.0, 5.0]), "scale": jnp.array([10.0, 100.0])}}
    out, after = jax.jit(model.apply)(params, state, None, 1.0)
    assert float(out) == 1 + 10 + 500
    assert {n: v.tolist() for n, v in after[f"{NAME}/~"].items()} == {"calls": [2, 6], "scale": [10, 100]}


def test_layers_that_only_read_run_under_plain_transforms_and_in_conditions():
    def stack(x):
        return hk.layer_stack(2, name="stack")(lambda x: affine(x) * hk.get_state("one"))(x)

    params = {"stack/~": {"w": jnp.full(2, 2.0)}}
    state = {"stack/~": {"one": jnp.ones(2)}}
    jitted = hk.transform_with_state(lambda x: jax.jit(stack)(x))
    # 2·(2·1 + 1) + 1 = 7, and 4·5 + 3 = 23 is the first above 20.
    out, after = jitted.apply(params, state, None, 1.0)
    assert float(out) == 7
    assert after["stack/~"]["one"] is state["stack/~"]["one"]
    first = hk.transform_with_state(lambda x: hk.while_loop(lambda x: stack(x) < 20, lambda x: x + 1, x))
    assert float(first.apply(params, state, None, 1.0)[0]) == 5
    changing = hk.transform_with_state(lambda x: jax.jit(hk.layer_stack(2)(lambda x: x + count()))(x))
    state = {f"{NAME}/~": {"calls": jnp.zeros(2)}}
    with pytest.raises(hk.JaxTransformError, match=r"^layer_stack: changes state .*calls under jax\.jit, "):
        changing.apply({}, state, None, 1.0)


def test_a_stack_in_a_stack_in_a_scan_and_rematerialised():
    def forward(x):
        outer = hk.layer_stack(2, name="outer")(
            hk.remat(lambda x: hk.layer_stack(3, name="inner")(affine)(x) + count())
        )
        return hk.scan(lambda x, _: (outer(x), None), x, None, 2)[0]

    model = hk.transform_with_state(forward)
    params, state = model.init(None, 1.0)
    assert jax.tree.map(jnp.shape, params) == {"outer/inner/~": {"w": (2, 3)}}
    assert {path: {n: v.tolist() for n, v in b.items()} for path, b in state.items()} == {"outer/~": {"calls": [1, 1]}}
    params = {"outer/inner/~": {"w": np.stack([WS, WS])}}
    x = 1.0
    for calls in (1, 2):
        for _ in range(2):
            x = written_out((0, 1, 2), x) + calls
    out, state = model.apply(params, state, None, 1.0)
    assert (float(out), state["outer/~"]["calls"].tolist()) == (x, [3, 3])


def test_gradients_are_those_of_the_layers_written_out():
    stacked = hk.transform(lambda x: hk.layer_stack(3)(lambda x: jnp.sin(affine(x)))(x)).apply

    def flat(ws, x):
        for w in ws:
            x = jnp.sin(w * x + 1)
        return x

    gradient = jax.jit(jax.grad(lambda ws: stacked({f"{NAME}/~": {"w": ws}}, 0.3)))(WS)
    np.testing.assert_allclose(gradient, jax.grad(flat)(WS, 0.3), rtol=1e-5)
    batched = jax.vmap(stacked, (None, 0))({f"{NAME}/~": {"w": WS}}, jnp.array([0.1, 0.2]))
    np.testing.assert_allclose(batched, [flat(WS, 0.1), flat(WS, 0.2)], rtol=1e-5)


class Numbered:
    """Calls module `linear` of layer 1 `block1_linear`, and the layers' own variables `block1`."""

    def stacked_to_flat(self, stacked_module_name, scan_idx):
        return f"block{scan_idx}" + ("" if stacked_module_name == "~" else f"_{stacked_module_name}")

    def flat_to_stacked(self, unstacked_module_name):
        block, _, name = unstacked_module_name.partition("_")
        return (name or "~", int(block[5:])) if block.startswith("block") else None


def test_a_transparent_stack_has_the_variables_of_the_layers_written_out():
    class Bias(hk.Module):
        def __call__(self, x):
            return x + hk.get_parameter("b", [], init=jnp.ones)

    def forward(x):
        Bias(name="other")(x)
        stack = hk.layer_stack(2, transparent=True, transparency_map=Numbered())(
            lambda x: Bias()(weight() * x) + count()
        )
        with hk.name_scope("net"):
            return stack(x)

    model = hk.transform_with_state(forward)
    params, state = model.init(None, 1.0)
    names = {path: list(bundle) for path, bundle in params.items()}
    assert names == {
        "other": ["b"],
        "net/block0": ["w"],
        "net/block1": ["w"],
        "net/block0_bias": ["b"],
        "net/block1_bias": ["b"],
    }
    assert jax.tree.map(float, state) == {f"net/block{i}": {"calls": 1} for i in range(2)}
    params |= {"net/block1": {"w": jnp.float32(7)}, "net/block0_bias": {"b": jnp.float32(3)}}
    out, state = model.apply(params, state, None, 1.0)
    # (2·1 + 3 + 1 = 6), 7·6 + 1 + 1 = 44.
    assert float(out) == 44
    assert jax.tree.map(float, state) == {f"net/block{i}": {"calls": 2} for i in range(2)}


def test_a_map_that_does_not_undo_itself_is_refused():
    class Shifted(Numbered):
        def flat_to_stacked(self, unstacked_module_name):
            place = super().flat_to_stacked(unstacked_module_name)
            return place and (place[0], place[1] + 1)

    message = r"^layer_stack: flat_to_stacked maps modules to layers \[1, 2\] of '~', expected one for each of 2 layers"
    with pytest.raises(ValueError, match=message):
        hk.transform(lambda x: hk.layer_stack(2, transparent=True, transparency_map=Shifted())(affine)(x)).init(
            None, 1.0
        )


def test_names():
    def forward(x):
        stack = hk.layer_stack(1)(affine)
        stack(stack(x))
        hk.layer_stack(1, name="mine")(affine)(x)
        return hk.layer_stack(0)(affine)(x)

    model = hk.transform(forward)
    params = model.init(None, 1.0)
    assert [(path, b["w"].shape) for path, b in params.items()] == [
        (f"{NAME}/~", (1,)),
        (f"{NAME}_1/~", (1,)),
        ("mine/~", (1,)),
        (f"{NAME}_2/~", (0,)),
    ]
    assert model.apply(params, 5.0) == 5
    assert hk.layer_stack(1)(affine).__name__ == "affine"
    assert not isinstance(object(), hk.LayerStackTransparencyMapping)


def stack(*args, call=(1.0,), layer=affine, **kwargs):
    return lambda: hk.layer_stack(*args, **kwargs)(layer)(*call)


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (stack(1.5), TypeError, r"^layer_stack: num_layers is 1\.5 of type float, expected an integer\."),
        (stack(-1), ValueError, r"^layer_stack: num_layers is -1, expected 0 or more\."),
        (stack(2, layer=3), TypeError, "^layer_stack: f is 3 of type int, expected a function, such as lambda x: hk"),
        (stack(2, call=()), TypeError, "^layer_stack: the stack was called without arguments, expected the input of a"),
        (
            stack(2, transparent=True),
            ValueError,
            "^layer_stack: transparency_map is None with transparent=True, expected an object with stacked_to_flat",
        ),
        (
            stack(2, transparent=True, transparency_map="{}"),
            ValueError,
            "^layer_stack: transparency_map is '{}' with transparent=True, expected an object with stacked_to_flat",
        ),
        (
            stack(2, True, call=(1.0, jnp.ones(3)), layer=lambda x, y: (x, y)),
            ValueError,
            r"^layer_stack: per-layer input 0 has shape \(3,\), expected a leading axis of 2, one entry for each",
        ),
        (
            stack(2, True, call=(1.0, {"a": jnp.ones(2), "b": 1.0}), layer=lambda x, y: (x, y)),
            ValueError,
            r"^layer_stack: per-layer input 1 has shape \(\), expected a leading axis of 2, one entry for each",
        ),
        (
            stack(2, True, layer=affine),
            TypeError,
            r"^layer_stack: the layer returned .*, expected a pair \(x, output\), for with_per_layer_inputs\.",
        ),
        (
            stack(2, call=(jnp.ones(3, "float32"),), layer=lambda x: x[:2]),
            ValueError,
            r"^layer_stack: the layer returned \('float32\[2\]',\), expected \('float32\[3\]',\) like its input",
        ),
        (
            stack(2, call=(1.0, 2.0), layer=lambda x, y: x),
            ValueError,
            "^layer_stack: the layer returned .* like its input",
        ),
        (stack(2, name="a b"), ValueError, "name is 'a b', expected a Python identifier"),
        (
            stack(2, layer=lambda x: x + hk.next_rng_key()),
            hk.MissingRNGError,
            "^next_rng_key: a random key is needed and there is none",
        ),
    ],
)
def test_errors(run, error, message):
    with pytest.raises(error, match=message):
        hk.transform(run).init(None)


def test_missing_parameters_and_outside_a_transform():
    with pytest.raises(ValueError, match=r"^get_parameter: parameter ~/w is missing from the params"):
        hk.transform(stack(2)).apply({})
    with pytest.raises(hk.UsageError, match=r"^layer_stack: used outside hk.transform"):
        stack(2)()
