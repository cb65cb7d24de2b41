"""What models are found to hold and to call, under dm-haiku and haiku_like."""

import haiku as dm
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haiku_like as hk
from haiku_like import compat

X = np.ones([4, 6], np.float32)
IMAGES = np.ones([2, 8, 8, 3], np.float32)


def custom(lib, x):
    class Net(lib.Module):
        def __init__(self):
            super().__init__(name="custom")
            self.inner = lib.Linear(6, name="inner")

        def __call__(self, x, *, note):
            x = self.inner(self.inner(x))
            self.silent(x)
            return {"out": (self.double(x) * self.scale, None), "helped": self._helped(x)}

        def double(self, x):
            return lib.Linear(6)(x) * 2

        def silent(self, x):
            pass

        def _helped(self, x):
            return lib.Linear(1, with_bias=False)(x)

        @property
        def scale(self):
            return jnp.float32(2)

    return Net()(x, note="a note")


PROGRAMS = {
    "mlp": (lambda lib, x: lib.nets.MLP([5, 3], activation=jax.lax.tanh)(x), X),
    "custom": (custom, X),
    "batch_norm": (lambda lib, x: lib.BatchNorm(True, True, 0.9)(x, True), X),
    "convolution": (lambda lib, x: lib.Linear(2)(lib.Flatten()(lib.Conv2D(4, 3, stride=2, name="c")(x))), IMAGES),
    "sequential": (lambda lib, x: lib.Sequential([lib.Linear(4), jax.nn.relu, lib.LayerNorm(-1, True, False)])(x), X),
    "recurrent": (lambda lib, x: lib.LSTM(3)(x, lib.LSTM(3, name="other").initial_state(4)), X),
    "resnet": (
        lambda lib, x: lib.nets.ResNet(
            [1, 1, 1, 1], 3, resnet_v2=True, channels_per_group=(8, 8, 8, 8), strides=(1, 2, 1, 1)
        )(x, is_training=True),
        IMAGES,
    ),
}
programs = pytest.mark.parametrize("name", PROGRAMS)


def transformed(lib, name):
    program, x = PROGRAMS[name]
    return lib.transform_with_state(lambda x: program(lib, x)), x


def rows(lib, name):
    f, x = transformed(lib, name)

    def described(details):
        return details.module.module_name, details.method_name, repr(details.params), repr(details.state)

    return [
        (
            described(call.module_details),
            repr((call.args_spec, call.kwargs_spec, call.output_spec)),
            type(call.module_details.module).__name__,
            [described(details)[:2] for details in call.call_stack],
        )
        for call in lib.experimental.eval_summary(f)(x)
    ]


@programs
def test_the_same_calls(name):
    ours, theirs = rows(hk, name), rows(dm, name)
    if name in ("batch_norm", "resnet"):  # dm-haiku gives the averages of a BatchNorm its parameters, too.
        ours, theirs = ([(row[0][:2], *row[1:3]) for row in table] for table in (ours, theirs))
    assert ours == theirs


@programs
def test_the_same_numbers_in_tables(name):
    tables = []
    for lib in (compat, dm):
        f, x = transformed(lib, name)
        chosen = {"columns": ["params_size", "module"], "tabulate_kwargs": {"tablefmt": "plain"}}
        table = lib.experimental.tabulate(f, **chosen)(x)
        tables.append([line.split() for line in table.splitlines()[1:]])
    ours, theirs = tables
    if name in ("batch_norm", "resnet"):
        ours, theirs = ([line for line in table if "/~/mean_ema" not in str(line)] for table in tables)
        ours, theirs = ([line for line in table if "/~/var_ema" not in str(line)] for table in (ours, theirs))
    assert ours == theirs


def modules(module):
    """The modules and what they hold; dm-haiku says nothing of those that other methods than `__call__` run."""
    found = []
    for expression in module.expressions:
        if (inner := expression.submodule) is not None:
            if inner.total_param_size or inner.total_state_size:
                found.append((inner.name, inner.param_info, inner.total_param_size, inner.total_state_size))
            found += modules(inner)
    return found


@pytest.mark.parametrize("name", ["mlp", "batch_norm", "convolution"])
def test_the_same_modules_in_programs(name):
    found = []
    for lib in (hk, dm):
        f, x = transformed(lib, name)
        params, state = jax.eval_shape(f.init, jax.random.PRNGKey(0), x)
        apply = lambda params, state, x, f=f: f.apply(params, state, None, x)  # noqa: E731
        found.append(modules(lib.experimental.jaxpr_info.make_model_info(apply)(params, state, x)))
    assert found[0] == found[1]
