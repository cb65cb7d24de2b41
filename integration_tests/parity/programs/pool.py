"""Pools."""

import numpy as np

from integration_tests.parity.programs import Program, values

IMAGE = values(2, 7, 6, 3)
INTEGERS = np.random.RandomState(0).randint(-9, 9, IMAGE.shape).astype(np.int32)


def program(name, kinds, *args, x=IMAGE, every=False, **kwargs):
    """A program that applies pools, modules or functions, with the same settings.

    `every` is for those that run in every dtype and transform.
    """

    def run(lib, x):
        functions = {"avg_pool", "max_pool"}
        return [
            getattr(lib, kind)(x, *args, **kwargs) if kind in functions else getattr(lib, kind)(*args, **kwargs)(x)
            for kind in kinds
        ]

    return Program(name, kinds, run, (x,), halves=every, differentiable=every, batched=every)


PROGRAMS = [
    program("pools", ("AvgPool", "MaxPool"), (3, 2, 1), (2, 1, 1), "SAME", every=True),
    program("pools_valid", ("AvgPool", "MaxPool"), (1, 3, 2, 1), (1, 2, 2, 1), "VALID"),
    program("pools_by_integers", ("AvgPool", "MaxPool"), 3, 2, "SAME"),
    program("pools_channels_first", ("avg_pool", "max_pool"), 2, 2, "VALID", 1),
    program("pools_without_channels", ("avg_pool", "max_pool"), 2, 1, "SAME", channel_axis=None),
    program("pools_of_the_last_axes", ("avg_pool", "max_pool"), (2, 3), 2, "SAME"),
    program("pools_larger_than_the_image", ("avg_pool", "max_pool"), (20, 30, 1), (1, 1, 1), "SAME"),
    program("pools_with_gaps", ("avg_pool", "max_pool"), (2, 2, 1), (5, 3, 1), "SAME"),
    program("pools_of_integers", ("avg_pool", "max_pool"), (2, 2, 1), (1, 2, 1), "SAME", x=INTEGERS),
]
