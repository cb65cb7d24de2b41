import jax
import jax.numpy as jnp
import pytest

import haiku_like as hk


def weight():
    return hk.get_parameter("w", [], init=hk.initializers.Constant(3))


def apply(f, *args, params=None):
    """Returns what a function returns, on parameters or, by default, on those of its init."""
    model = hk.transform(f)
    return model.apply(model.init(None, *args) if params is None else params, *args)


@pytest.mark.parametrize(
    ("argnums", "expected"),
    [(0, 3 * 4), (1, 3 * 2), (-1, 3 * 2), ((0, 1), (12, 6)), ([1], (6,)), ((-2,), (12,))],
)
def test_gradients_in_chosen_arguments(argnums, expected):
    def f(x, y):
        return weight() * x * y

    gradient = apply(lambda x, y: hk.grad(f, argnums)(x, y), 2.0, 4.0)
    assert jax.tree.map(float, gradient) == expected
    value, gradient = apply(lambda x, y: hk.value_and_grad(f, argnums)(x, y), 2.0, 4.0)
    assert (float(value), jax.tree.map(float, gradient)) == (24, expected)


def test_auxiliary_outputs_and_keywords():
    def f(x, *, power):
        return weight() * x**power, {"power": power, "none": None}

    def forward(x):
        return hk.grad(f, has_aux=True)(x, power=3), hk.value_and_grad(f, has_aux=True)(x, power=3)

    (gradient, aux), ((value, aux_too), gradient_too) = apply(forward, 2.0)
    assert aux == aux_too == {"power": 3, "none": None}
    assert (float(value), float(gradient), float(gradient_too)) == (24, 36, 36)


def test_trees_complex_numbers_and_modules():
    tree = {"a": jnp.ones(2), "b": [jnp.float32(2)]}
    gradient = apply(lambda t: hk.grad(lambda t: weight() * (t["a"].sum() * t["b"][0]))(t), tree)
    assert jax.tree.map(jnp.ravel, gradient)["a"].tolist() == [6, 6]
    assert gradient["b"][0] == 6
    assert apply(lambda x: hk.grad(lambda x: weight() * x**2, holomorphic=True)(x), 1 + 2j) == 6 * (1 + 2j)
    assert apply(lambda x: hk.grad(hk.Sequential([lambda x: weight() * x, jnp.sum]))(x), jnp.ones(2)).tolist() == [3, 3]


def test_higher_derivatives_and_derivatives_of_derivatives_in_parameters():
    def forward(x):
        return hk.grad(hk.grad(hk.grad(lambda x: weight() * x**4)))(x)

    params = hk.transform(forward).init(None, 2.0)
    assert apply(forward, 2.0) == 3 * 24 * 2
    gradient = jax.grad(hk.transform(forward).apply)(params, 2.0)
    assert jax.tree.map(float, gradient) == {"~": {"w": 24 * 2}}


def test_a_gradient_inside_a_loss():
    """The penalty of a WGAN: a loss of the gradient of a network, in the network's parameters; here by hand."""

    def penalty(x):
        network = hk.Linear(1, with_bias=False, w_init=hk.initializers.Constant(2))
        gradient = hk.grad(lambda x: network(x)[0] ** 2)(x)
        return (gradient**2).sum()

    model = hk.transform(penalty)
    x = jnp.array([1.0, 3.0])
    params = model.init(None, x)
    # g = 2 (w·x) w, so |g|² = 4 (w·x)² |w|²; with w = (2, 2): w·x = 8, |w|² = 8.
    assert model.apply(params, x) == 4 * 64 * 8
    # d|g|²/dw = 8 (w·x) |w|² x + 8 (w·x)² w.
    gradient = jax.jit(jax.grad(model.apply))(params, x)["linear"]["w"]
    assert gradient.ravel().tolist() == [8 * 8 * 8 * 1 + 8 * 64 * 2, 8 * 8 * 8 * 3 + 8 * 64 * 2]


def test_remat_computes_again_what_the_policy_does_not_keep():
    def loss(policy, fun, params, x):
        model = hk.transform(lambda x: hk.remat(fun, policy=policy)(x))
        return model.apply(params, x)

    def fun(x):
        return jnp.sin(jnp.sin(weight() * x))

    params = {"~": {"w": jnp.float32(3)}}

    def sines(policy):
        def gradient(x):
            return jax.grad(lambda params: loss(policy, fun, params, x))(params)

        jaxpr = str(jax.make_jaxpr(gradient)(2.0))
        value = gradient(jnp.float32(2))["~"]["w"]
        expected = jax.grad(lambda w: jnp.sin(jnp.sin(w * 2)))(jnp.float32(3))
        assert value == pytest.approx(float(expected))
        return jaxpr.count(" sin ")

    kept, again = sines(jax.checkpoint_policies.everything_saveable), sines(None)
    assert again > kept


def test_remat_with_static_arguments():
    def fun(x, power, *, negate=False):
        out = weight() * x if power == 1 else weight() * x**power
        return -out if negate else out

    def forward(x):
        f = hk.remat(fun, static_argnums=1, prevent_cse=False)
        return f(x, 1), f(x, 2), f(x, power=3)

    assert [float(y) for y in apply(forward, 2.0)] == [6, 12, 24]
    assert jax.jit(lambda x: apply(forward, x, params={"~": {"w": jnp.float32(1)}}))(2.0)[1] == 4


def test_what_is_wrapped_keeps_its_name_and_docstring():
    def loss(x):
        """A loss."""
        return x

    for wrap in (hk.grad, hk.value_and_grad, hk.remat):
        assert (wrap(loss).__name__, wrap(loss).__doc__) == ("loss", "A loss.")


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda: hk.grad(3), TypeError, "^grad: fun is 3 of type int, expected a function"),
        (lambda: hk.value_and_grad(3), TypeError, "^value_and_grad: fun is 3 of type int, expected a function"),
        (lambda: hk.remat(3), TypeError, "^remat: fun is 3 of type int, expected a function"),
        (
            lambda: hk.grad(lambda x: x, has_aux=True)(1.0),
            hk.UsageError,
            r"^grad: the function returned .*, expected a pair \(scalar, auxiliary\), for has_aux\.",
        ),
        (
            lambda: hk.value_and_grad(lambda x: (x, x, x), has_aux=True)(1.0),
            hk.UsageError,
            r"^value_and_grad: the function returned .*, expected a pair \(scalar, auxiliary\), for has_aux\.",
        ),
        (lambda: hk.grad(lambda x: x)(jnp.ones(2)), TypeError, "scalar-output functions"),
        (
            lambda: hk.remat(lambda x: x, static_argnums=1)(1.0),
            ValueError,
            "^remat: static_argnums has 1, expected the",
        ),
    ],
)
def test_errors(run, error, message):
    with pytest.raises(error, match=message):
        hk.transform(run).apply({})


@pytest.mark.parametrize("name", ["grad", "value_and_grad", "remat"])
def test_outside_a_transform(name):
    with pytest.raises(hk.UsageError, match=f"^{name}: used outside hk.transform"):
        getattr(hk, name)(jnp.sin)(1.0)
