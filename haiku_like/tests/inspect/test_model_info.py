import re

import jax
import jax.numpy as jnp
import pytest
from haiku_like.experimental import jaxpr_info

import haiku_like as hk

X = jnp.ones([8, 3])


def mlp(x):
    return hk.nets.MLP([4, 2])(x)


def of_apply(f, *args, **kwargs):
    """What the function runs under transform_with_state, and its parameters."""
    model = hk.transform_with_state(f)
    params, state = jax.eval_shape(model.init, jax.random.key(0), *args)
    return jaxpr_info.make_model_info(model.apply, **kwargs)(params, state, None, *args), params


def modules(module):
    """The tree of submodules, by name."""
    return {e.submodule.name: modules(e.submodule) for e in module.expressions if e.submodule}


def find(module, name):
    if module.name == name:
        return module
    found = (find(e.submodule, name) for e in module.expressions if e.submodule)
    return next(filter(None, found), None)


def test_operations_stand_in_the_modules_they_come_from():
    whole, _ = of_apply(mlp, X)
    assert whole.name == "apply"
    assert modules(whole) == {"mlp": {"linear_0": {}, "relu": {}, "linear_1": {}}}
    linear = find(whole, "linear_0")
    assert [e.primitive for e in linear.expressions] == ["dot_general", "broadcast_in_dim", "add"]
    product, _, add = linear.expressions
    assert product.details == "in f32[8,3], f32[3,4], out f32[8,4]"
    assert product.params["dimension_numbers"] == "(((1,), (0,)), ((), ()))"
    assert product.name_stack == ["mlp", "linear_0"]
    assert product.outvars == product.first_outvar == add.invars.split()[0]
    assert [e.primitive for e in whole.expressions] == ["name_scope"]


def test_costs_add_up():
    whole, _ = of_apply(mlp, X)
    assert find(whole, "linear_0").flops == 2 * 8 * 3 * 4 + 32
    assert find(whole, "relu").flops == 32
    assert whole.flops == whole.expressions[0].flops == 224 + 32 + 2 * 8 * 4 * 2 + 16
    assert whole.bytes == sum(e.bytes for e in find(whole, "mlp").expressions)


class Net(hk.Module):
    def __call__(self, x):
        x = hk.BatchNorm(True, True, 0.9)(self.first(x), is_training=True)
        with jax.named_scope("last"):
            return self._last(x)

    def first(self, x):
        return hk.Linear(4)(x)

    def _last(self, x):
        return hk.Linear(2)(x) * self.scale

    @property
    def scale(self):
        return hk.get_parameter("scale", [], init=jnp.ones)


def test_methods_scopes_and_variables():
    whole, _ = of_apply(lambda x: Net()(x), X)
    inner = {"mean_ema": {}, "var_ema": {}}
    assert modules(whole) == {"net": {"net.first": {"linear": {}}, "batch_norm": inner, "last": {"linear": {}}}}
    net, last = find(whole, "net"), find(whole, "last")
    assert net.param_info == {
        "./batch_norm/offset": "f32[1,4]",
        "./batch_norm/scale": "f32[1,4]",
        "./scale": "f32[]",
        "./~_last/linear/b": "f32[2]",
        "./~_last/linear/w": "f32[4,2]",
        "./~first/linear/b": "f32[4]",
        "./~first/linear/w": "f32[3,4]",
    }
    assert net.total_param_size == whole.total_param_size == 8 + 10 + 1 + 16
    assert net.total_state_size == 2 * (4 + 4 + 1)
    assert find(whole, "mean_ema").state_info["./counter"] == "s32[]"
    assert (last.param_info, find(last, "linear").param_info) == ({}, {"./b": "f32[2]", "./w": "f32[4,2]"})
    assert whole.param_info["net/scale"] == "f32[]"


def test_without_modules_information_only_the_variables_are_missing():
    whole, _ = of_apply(mlp, X, include_module_info=False, name="net")
    assert modules(whole) == {"mlp": {"linear_0": {}, "relu": {}, "linear_1": {}}}
    assert (whole.name, whole.total_param_size, find(whole, "mlp").param_info) == ("net", 0, {})


def test_loops_branches_and_transforms():
    def f(x):
        layer = hk.Linear(3)
        x, _ = hk.scan(lambda x, _: (layer(x), None), x, None, length=5)
        x = hk.cond(jnp.sum(x) > 0, layer, lambda x: layer(x) * 2, x)
        x = hk.while_loop(lambda x: jnp.sum(x) < 0, layer, x)
        return hk.remat(layer)(hk.vmap(layer, split_rng=False)(x))

    whole, _ = of_apply(f, X)
    assert modules(whole) == {
        "scan, 5 steps": {"linear": {}},
        "cond": {"branch 0": {"linear": {}}, "branch 1": {"linear": {}}},
        "while": {"condition": {}, "body": {"linear": {}}},
        "vmap(linear)": {},
        "remat": {"linear": {}},
    }
    once = 2 * 8 * 9 + 24
    loop = find(whole, "scan, 5 steps")
    assert (loop.flops, loop.expressions[0].flops) == (5 * once, once)
    assert find(whole, "cond").flops == once + 24
    assert (
        find(whole, "linear").param_info
        == find(whole, "vmap(linear)").param_info
        == {"./b": "f32[3]", "./w": "f32[3,3]"}
    )


def test_the_gradient_has_modules_too():
    model = hk.transform(mlp)
    params = jax.eval_shape(model.init, jax.random.key(0), X)
    loss = lambda params, x: jnp.sum(model.apply(params, x) ** 2)  # noqa: E731
    whole = jaxpr_info.make_model_info(jax.jit(jax.grad(loss)))(params, X)
    names = modules(whole)
    assert list(names["jvp(mlp)"]) == ["linear_0", "relu", "linear_1"]
    assert list(names["transpose(jvp(mlp))"]) == ["linear_1", "linear_0"]
    assert find(whole, "transpose(jvp(mlp))").total_param_size == 26


def test_a_jitted_function_is_looked_into_though_it_has_been_traced():
    model = hk.transform(mlp)
    params = model.init(jax.random.key(0), X)
    apply = jax.jit(model.apply)
    apply(params, X)
    whole = jaxpr_info.make_model_info(apply)(params, X)
    assert find(whole, "mlp").total_param_size == 26
    # Within another function nothing can see the modules again; where operations come from JAX still knows.
    whole = jaxpr_info.make_model_info(lambda *args: apply(*args))(params, X)
    assert (find(whole, "mlp").flops, find(whole, "mlp").total_param_size) == (400, 0)


def test_init_can_be_looked_into():
    whole = jaxpr_info.make_model_info(hk.transform(mlp).init)(jax.random.key(0), X)
    assert find(whole, "mlp").total_param_size == 26


def test_two_modules_that_go_by_the_same_names():
    class Shell(hk.Module):
        def __call__(self, layer, x):
            return hk.Linear(3, name="layer")(layer(x))

    whole, _ = of_apply(lambda x: Shell()(hk.Linear(3, name="layer"), x), X)
    assert find(whole, "shell").total_param_size == 24
    assert whole.total_param_size == 24


def test_flops_can_be_counted_by_the_user():
    seen = []

    def count(equation, expression):
        seen.append((equation.primitive.name, expression.details))
        return None if expression.primitive == "add" else 7

    whole, _ = of_apply(mlp, X, compute_flops=count)
    assert seen[0] == ("dot_general", "in f32[8,3], f32[3,4], out f32[8,4]")
    assert (len(seen), whole.flops) == (7, 5 * 7)


def test_an_axis_can_be_named():
    f = lambda x: jax.lax.psum(x, "i")  # noqa: E731
    (total,) = jaxpr_info.make_model_info(f, axis_env=[("i", 4)])(X).expressions
    assert "psum" in total.primitive


def test_arguments_of_any_kind():
    def f(x, flag, *, name):
        return {"out": x * 2 if flag else x, "name": name, "three": 3, "nothing": None}

    assert jaxpr_info.make_model_info(f)(X, True, name="n").flops == 24
    assert jaxpr_info.make_model_info(f)(jax.ShapeDtypeStruct([2], jnp.float32), False, name="n").flops == 0


def test_text():
    whole, _ = of_apply(lambda x: hk.BatchNorm(True, True, 0.9)(hk.Linear(4)(x), True), X)
    lines = jaxpr_info.format_module(whole, depth=1).splitlines()
    assert lines[1] == "    linear: 224 FLOP, 800 B, 16 params"
    assert lines[2] == "      dot_general: 192 FLOP, 272 B, in f32[8,3], f32[3,4], out f32[8,4]"
    assert re.fullmatch(r"    batch_norm: \d+ FLOP, [\d.]+ kB, 8 params, 18 state", lines[5])


def test_many_variables_are_counted_rather_than_named():
    whole = jaxpr_info.make_model_info(lambda xs: jnp.stack(xs))([X] * 9)
    assert [e.invars for e in whole.expressions][-1] == "9 inputs"
    names = [e.outvars for e in jaxpr_info.make_model_info(lambda x: [x + i for i in range(30)])(X).expressions]
    assert names[:2] + names[24:27] == ["b", "c", "z", "ba", "bb"]


def test_other_things_than_functions_are_refused():
    for bad in (3, hk.transform(mlp)):
        with pytest.raises(TypeError, match=r"make_model_info: f is .*, expected a function, such as hk.transform\(f"):
            jaxpr_info.make_model_info(bad)
