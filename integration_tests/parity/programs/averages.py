"""Moving averages, and spectral normalization of parameters."""

from integration_tests.parity.programs import Program, values


def several_steps(lib, x, **kwargs):
    """Values one after the other, of which one leaves no trace."""
    average = lib.ExponentialMovingAverage(0.9, **kwargs)
    outs = [average(x[0]), average(x[1]), average(x[2], update_stats=False), average(x[2])]
    return [*outs, average(x[3]), average.average]


def initialize(lib, x):
    """An average that is read before any value."""
    average = lib.ExponentialMovingAverage(0.5, name="mean")
    average.initialize(x.shape, x.dtype)
    return average.average, average(x), average.average


def parameters(w, b, k):
    """Returns parameters as `init` would."""
    return {"linear": {"w": w, "b": b}, "mlp/~/linear_0": {"w": 2 * w, "b": b - 1}, "~": {"w": k}}


def ema_params_tree(lib, *arrays, ignore_regex="", **kwargs):
    """Two steps of the averages of parameters, and one that leaves no trace."""
    averages = lib.EMAParamsTree(0.9, ignore_regex=ignore_regex, **kwargs)
    tree = parameters(*arrays)
    twice = {path: {name: 2 * value for name, value in bundle.items()} for path, bundle in tree.items()}
    # A tree calls for modules of the same names each time, so each step needs a module of its own.
    return averages(tree), lib.EMAParamsTree(0.5)(twice, update_stats=False)


def spectral_norm(lib, w, **kwargs):
    """Three calls, of which one leaves no trace, and the state."""
    norm = lib.SpectralNorm(**kwargs)
    return norm(w), norm(2 * w, update_stats=False), norm(w), norm.u0, norm.sigma


def sn_params_tree(lib, *arrays, **kwargs):
    """The same of parameters."""
    tree = parameters(*arrays)
    return lib.SNParamsTree(ignore_regex=".*b$", **kwargs)(tree), lib.SNParamsTree(ignore_regex=".*b|mlp")(tree, False)


ARRAYS = (values(3, 2), values(2, seed=1), values(2, 2, 3, seed=2))

PROGRAMS = [
    Program("ema", ("ExponentialMovingAverage",), several_steps, (values(4, 3),), batched=False),
    Program(
        "ema_biased",
        ("ExponentialMovingAverage",),
        lambda lib, x: several_steps(lib, x, zero_debias=False, name="biased"),
        (values(4, 3),),
        batched=False,
    ),
    Program(
        "ema_warm_up",
        ("ExponentialMovingAverage",),
        lambda lib, x: several_steps(lib, x, zero_debias=False, warmup_length=2),
        (values(4, 3),),
        batched=False,
    ),
    Program("ema_initialize", ("ExponentialMovingAverage",), initialize, (values(3),)),
    Program("ema_params_tree", ("EMAParamsTree",), ema_params_tree, ARRAYS),
    Program(
        "ema_params_tree_ignore",
        ("EMAParamsTree",),
        lambda lib, *arrays: ema_params_tree(lib, *arrays, ignore_regex=".*/b|~", zero_debias=False, warmup_length=1),
        ARRAYS,
    ),
    Program("spectral_norm", ("SpectralNorm",), spectral_norm, (values(3, 4),)),
    Program(
        "spectral_norm_steps",
        ("SpectralNorm",),
        lambda lib, w: spectral_norm(lib, w, eps=0.1, n_steps=4, name="norm"),
        (values(2, 3, 4),),
        halves=False,
    ),
    Program("sn_params_tree", ("SNParamsTree",), lambda lib, *arrays: sn_params_tree(lib, *arrays, n_steps=2), ARRAYS),
]
