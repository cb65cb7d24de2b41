"""Object-oriented neural-network modules for JAX, and the transform that makes them pure functions."""

from haiku_like import initializers as initializers
from haiku_like import nets as nets
from haiku_like import pad as pad
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
from haiku_like.layers.attention import MultiHeadAttention as MultiHeadAttention
from haiku_like.layers.batch_apply import BatchApply as BatchApply
from haiku_like.layers.batch_norm import BatchNorm as BatchNorm
from haiku_like.layers.bias import Bias as Bias
from haiku_like.layers.conv import Conv1D as Conv1D
from haiku_like.layers.conv import Conv2D as Conv2D
from haiku_like.layers.conv import Conv3D as Conv3D
from haiku_like.layers.conv import ConvND as ConvND
from haiku_like.layers.conv_transpose import Conv1DTranspose as Conv1DTranspose
from haiku_like.layers.conv_transpose import Conv2DTranspose as Conv2DTranspose
from haiku_like.layers.conv_transpose import Conv3DTranspose as Conv3DTranspose
from haiku_like.layers.conv_transpose import ConvNDTranspose as ConvNDTranspose
from haiku_like.layers.data_format import get_channel_index as get_channel_index
from haiku_like.layers.deferred import Deferred as Deferred
from haiku_like.layers.depthwise_conv import DepthwiseConv1D as DepthwiseConv1D
from haiku_like.layers.depthwise_conv import DepthwiseConv2D as DepthwiseConv2D
from haiku_like.layers.depthwise_conv import DepthwiseConv3D as DepthwiseConv3D
from haiku_like.layers.depthwise_conv import SeparableDepthwiseConv2D as SeparableDepthwiseConv2D
from haiku_like.layers.dropout import dropout as dropout
from haiku_like.layers.embed import Embed as Embed
from haiku_like.layers.embed import EmbedLookupStyle as EmbedLookupStyle
from haiku_like.layers.expand_apply import expand_apply as expand_apply
from haiku_like.layers.group_norm import GroupNorm as GroupNorm
from haiku_like.layers.layer_norm import InstanceNorm as InstanceNorm
from haiku_like.layers.layer_norm import LayerNorm as LayerNorm
from haiku_like.layers.linear import Linear as Linear
from haiku_like.layers.moving_averages import EMAParamsTree as EMAParamsTree
from haiku_like.layers.moving_averages import ExponentialMovingAverage as ExponentialMovingAverage
from haiku_like.layers.multinomial import multinomial as multinomial
from haiku_like.layers.one_hot import one_hot as one_hot
from haiku_like.layers.pool import AvgPool as AvgPool
from haiku_like.layers.pool import MaxPool as MaxPool
from haiku_like.layers.pool import avg_pool as avg_pool
from haiku_like.layers.pool import max_pool as max_pool
from haiku_like.layers.recurrent.conv_lstm import Conv1DLSTM as Conv1DLSTM
from haiku_like.layers.recurrent.conv_lstm import Conv2DLSTM as Conv2DLSTM
from haiku_like.layers.recurrent.conv_lstm import Conv3DLSTM as Conv3DLSTM
from haiku_like.layers.recurrent.core import RNNCore as RNNCore
from haiku_like.layers.recurrent.deep_rnn import DeepRNN as DeepRNN
from haiku_like.layers.recurrent.deep_rnn import deep_rnn_with_skip_connections as deep_rnn_with_skip_connections
from haiku_like.layers.recurrent.gru import GRU as GRU
from haiku_like.layers.recurrent.identity_core import IdentityCore as IdentityCore
from haiku_like.layers.recurrent.lstm import LSTM as LSTM
from haiku_like.layers.recurrent.lstm import LSTMState as LSTMState
from haiku_like.layers.recurrent.reset_core import ResetCore as ResetCore
from haiku_like.layers.recurrent.unroll import static_unroll as static_unroll
from haiku_like.layers.recurrent.vanilla_rnn import VanillaRNN as VanillaRNN
from haiku_like.layers.reshape import Flatten as Flatten
from haiku_like.layers.reshape import Reshape as Reshape
from haiku_like.layers.rms_norm import RMSNorm as RMSNorm
from haiku_like.layers.sequential import Sequential as Sequential
from haiku_like.layers.spectral_norm import SNParamsTree as SNParamsTree
from haiku_like.layers.spectral_norm import SpectralNorm as SpectralNorm
from haiku_like.typing import MutableParams as MutableParams
from haiku_like.typing import MutableState as MutableState
from haiku_like.typing import Params as Params
from haiku_like.typing import State as State

__all__ = [  # noqa: RUF022 -- ASCII order, in which GRU is no constant that goes first.
    "AvgPool",
    "BatchApply",
    "BatchNorm",
    "Bias",
    "Conv1D",
    "Conv1DLSTM",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DLSTM",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DLSTM",
    "Conv3DTranspose",
    "ConvND",
    "ConvNDTranspose",
    "DeepRNN",
    "Deferred",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "DepthwiseConv3D",
    "EMAParamsTree",
    "Embed",
    "EmbedLookupStyle",
    "ExponentialMovingAverage",
    "Flatten",
    "GRU",
    "GroupNorm",
    "IdentityCore",
    "InstanceNorm",
    "LSTM",
    "LSTMState",
    "LayerNorm",
    "Linear",
    "MaxPool",
    "MissingRNGError",
    "Module",
    "MultiHeadAttention",
    "MutableParams",
    "MutableState",
    "NonEmptyStateError",
    "PRNGSequence",
    "Params",
    "RMSNorm",
    "RNNCore",
    "ResetCore",
    "Reshape",
    "SNParamsTree",
    "SeparableDepthwiseConv2D",
    "Sequential",
    "SpectralNorm",
    "State",
    "Transformed",
    "TransformedWithState",
    "UsageError",
    "VanillaRNN",
    "__version__",
    "avg_pool",
    "deep_rnn_with_skip_connections",
    "dropout",
    "expand_apply",
    "get_channel_index",
    "get_parameter",
    "get_state",
    "initializers",
    "max_pool",
    "multinomial",
    "nets",
    "next_rng_key",
    "next_rng_keys",
    "one_hot",
    "pad",
    "set_state",
    "static_unroll",
    "transform",
    "transform_with_state",
]
