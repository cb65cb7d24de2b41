"""Object-oriented neural-network modules for JAX, and the transform that makes them pure functions."""

from haiku_like import initializers as initializers
from haiku_like import nets as nets
from haiku_like._core.errors import MissingRNGError as MissingRNGError
from haiku_like._core.errors import NonEmptyStateError as NonEmptyStateError
from haiku_like._core.errors import UsageError as UsageError
from haiku_like._core.module import Module as Module
from haiku_like._core.rng import PRNGSequence as PRNGSequence
from haiku_like._core.rng import next_rng_key as next_rng_key
from haiku_like._core.rng import next_rng_keys as next_rng_keys
from haiku_like._core.transform import Transformed as Transformed
from haiku_like._core.transform import TransformedWithState as TransformedWithState
from haiku_like._core.transform import transform as transform
from haiku_like._core.transform import transform_with_state as transform_with_state
from haiku_like._core.variables import get_parameter as get_parameter
from haiku_like._core.variables import get_state as get_state
from haiku_like._core.variables import set_state as set_state
from haiku_like._version import __version__ as __version__
from haiku_like.layers.batch_norm import BatchNorm as BatchNorm
from haiku_like.layers.dropout import dropout as dropout
from haiku_like.layers.linear import Linear as Linear
from haiku_like.layers.moving_averages import EMAParamsTree as EMAParamsTree
from haiku_like.layers.moving_averages import ExponentialMovingAverage as ExponentialMovingAverage
from haiku_like.layers.reshape import Flatten as Flatten
from haiku_like.layers.reshape import Reshape as Reshape
from haiku_like.layers.sequential import Sequential as Sequential
from haiku_like.typing import MutableParams as MutableParams
from haiku_like.typing import MutableState as MutableState
from haiku_like.typing import Params as Params
from haiku_like.typing import State as State

__all__ = [
    "BatchNorm",
    "EMAParamsTree",
    "ExponentialMovingAverage",
    "Flatten",
    "Linear",
    "MissingRNGError",
    "Module",
    "MutableParams",
    "MutableState",
    "NonEmptyStateError",
    "PRNGSequence",
    "Params",
    "Reshape",
    "Sequential",
    "State",
    "Transformed",
    "TransformedWithState",
    "UsageError",
    "__version__",
    "dropout",
    "get_parameter",
    "get_state",
    "initializers",
    "nets",
    "next_rng_key",
    "next_rng_keys",
    "set_state",
    "transform",
    "transform_with_state",
]
