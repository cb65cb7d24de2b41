"""Vector quantization."""

import jax.numpy as jnp

from integration_tests.parity.programs import Program, values


def quantizer(lib, x, dtype=jnp.float32, **kwargs):
    """Quantizes an input twice, and looks embeddings up."""
    module = lib.nets.VectorQuantizer(3, 5, 0.25, dtype, **kwargs)
    return module(x, True), module(2 * x, is_training=False), module.quantize(jnp.array([[0, 4], [2, 2]]))


def quantizer_ema(lib, x, *args, **kwargs):
    """Trains on an input twice, then evaluates, and reads the averages."""
    module = lib.nets.VectorQuantizerEMA(3, 5, 0.25, *args, **kwargs)
    outs = [module(x, is_training=True), module(x + 0.5, True), module(x, is_training=False)]
    averages = module.ema_cluster_size.average, module.ema_dw.average
    return outs, module.quantize(jnp.array([3, 0])), module.embeddings, averages


def without_perplexity(outs):
    """Returns outputs without what is NaN in float16 under dm-haiku."""
    *outs, embeddings = outs
    return [{name: value for name, value in out.items() if name != "perplexity"} for out in outs], embeddings


PROGRAMS = [
    Program("vector_quantizer", ("nets.VectorQuantizer",), quantizer, (values(2, 4, 3),), halves=False),
    Program(
        "vector_quantizer_ema",
        ("nets.VectorQuantizerEMA",),
        lambda lib, x: quantizer_ema(lib, x, 0.9),
        (values(2, 4, 3),),
        halves=False,
    ),
    Program(
        "vector_quantizer_ema_epsilon",
        ("nets.VectorQuantizerEMA",),
        lambda lib, x: quantizer_ema(lib, x, 0.5, epsilon=0.1, name="quantizer"),
        (values(8, 3),),
        halves=False,
    ),
    Program(
        "vector_quantizer_dtype",
        ("nets.VectorQuantizer",),
        lambda lib, x: without_perplexity(quantizer(lib, x, x.dtype, name="quantizer")),
        (values(6, 3),),
    ),
    Program(
        "vector_quantizer_ema_evaluation",
        ("nets.VectorQuantizerEMA",),
        lambda lib, x: lib.nets.VectorQuantizerEMA(3, 5, 0.25, 0.9)(x, is_training=False),
        (values(6, 3),),
        halves=False,
    ),
]
