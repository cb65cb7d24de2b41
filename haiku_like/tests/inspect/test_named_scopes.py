"""A profiler's trace shows the names of modules, since the compiled program holds them."""

import re

import jax
import jax.numpy as jnp

import haiku_like as hk


class Net(hk.Module):
    def __call__(self, x):
        return self.encode(hk.nets.MLP([4], name="inner")(x))

    def encode(self, x):
        return hk.Linear(2)(x)


X = jnp.ones([8, 3])
MODEL = hk.transform(lambda x: Net()(x))


def names_in_program(f, *args):
    """The names that a compiled program gives its operations."""
    names = set(re.findall(r'op_name="([^"]*)"', jax.jit(f).lower(*args).compile().as_text()))
    # Without those of the functions that the maths of layers is in.
    return sorted({re.sub(r"jit\(_\w+\)/", "", name) for name in names})


def test_a_compiled_apply_holds_the_names_of_modules_and_methods():
    params = MODEL.init(jax.random.key(0), X)
    names = names_in_program(MODEL.apply, params, X)
    assert [name for name in names if name.endswith("dot_general")] == [
        "jit(apply)/net/inner/linear_0/dot_general",
        "jit(apply)/net/net.encode/linear/dot_general",
    ]


def test_so_does_a_gradient():
    params = MODEL.init(jax.random.key(0), X)
    names = names_in_program(jax.grad(lambda params, x: jnp.sum(MODEL.apply(params, x) ** 2)), params, X)
    assert [name for name in names if "transpose(jvp(net))/inner/linear_0" in name]
    assert [name for name in names if "/jvp(net)/net.encode/linear/" in name]


def test_so_does_a_jaxpr():
    equations = jax.make_jaxpr(MODEL.apply)(MODEL.init(jax.random.key(0), X), X).eqns
    scopes = [str(equation.source_info.name_stack) for equation in equations]
    assert sorted(set(scopes)) == ["net/inner/linear_0", "net/net.encode/linear"]
