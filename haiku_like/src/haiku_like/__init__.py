"""Object-oriented neural-network modules for JAX, and the transform that makes them pure functions."""

from haiku_like import config as config
from haiku_like import data_structures as data_structures
from haiku_like import experimental as experimental
from haiku_like import initializers as initializers
from haiku_like import mixed_precision as mixed_precision
from haiku_like import nets as nets
from haiku_like import pad as pad
from haiku_like import testing as testing
from haiku_like._core.conventions import with_empty_state as with_empty_state
from haiku_like._core.conventions import without_apply_rng as without_apply_rng
from haiku_like._core.conventions import without_state as without_state
from haiku_like._core.errors import JaxTransformError as JaxTransformError
from haiku_like._core.errors import MissingRNGError as MissingRNGError
from haiku_like._core.errors import NonEmptyStateError as NonEmptyStateError
from haiku_like._core.errors import UsageError as UsageError
from haiku_like._core.hooks import DO_NOT_STORE as DO_NOT_STORE
from haiku_like._core.hooks import GetterContext as GetterContext
from haiku_like._core.hooks import MethodContext as MethodContext
from haiku_like._core.hooks import SetterContext as SetterContext
from haiku_like._core.hooks import custom_creator as custom_creator
from haiku_like._core.hooks import custom_getter as custom_getter
from haiku_like._core.hooks import custom_setter as custom_setter
from haiku_like._core.hooks import intercept_methods as intercept_methods
from haiku_like._core.lift import LiftWithStateUpdater as LiftWithStateUpdater
from haiku_like._core.lift import lift as lift
from haiku_like._core.lift import lift_with_state as lift_with_state
from haiku_like._core.lift import transparent_lift as transparent_lift
from haiku_like._core.lift import transparent_lift_with_state as transparent_lift_with_state
from haiku_like._core.module import Module as Module
from haiku_like._core.module import name_like as name_like
from haiku_like._core.module import transparent as transparent
from haiku_like._core.multi_transform import MultiTransformed as MultiTransformed
from haiku_like._core.multi_transform import MultiTransformedWithState as MultiTransformedWithState
from haiku_like._core.multi_transform import multi_transform as multi_transform
from haiku_like._core.multi_transform import multi_transform_with_state as multi_transform_with_state
from haiku_like._core.rng import PRNGSequence as PRNGSequence
from haiku_like._core.rng import maybe_get_rng_sequence_state as maybe_get_rng_sequence_state
from haiku_like._core.rng import maybe_next_rng_key as maybe_next_rng_key
from haiku_like._core.rng import next_rng_key as next_rng_key
from haiku_like._core.rng import next_rng_keys as next_rng_keys
from haiku_like._core.rng import replace_rng_sequence_state as replace_rng_sequence_state
from haiku_like._core.rng import reserve_rng_keys as reserve_rng_keys
from haiku_like._core.rng import with_rng as with_rng
from haiku_like._core.scopes import current_name as current_name
from haiku_like._core.scopes import force_name as force_name
from haiku_like._core.scopes import name_scope as name_scope
from haiku_like._core.scopes import to_module as to_module
from haiku_like._core.transform import Transformed as Transformed
from haiku_like._core.transform import TransformedWithState as TransformedWithState
from haiku_like._core.transform import running_init as running_init
from haiku_like._core.transform import transform as transform
from haiku_like._core.transform import transform_with_state as transform_with_state
from haiku_like._core.variables import get_current_state as get_current_state
from haiku_like._core.variables import get_initial_state as get_initial_state
from haiku_like._core.variables import get_parameter as get_parameter
from haiku_like._core.variables import get_params as get_params
from haiku_like._core.variables import get_state as get_state
from haiku_like._core.variables import set_state as set_state
from haiku_like._version import __version__ as __version__
from haiku_like.autodiff import grad as grad
from haiku_like.autodiff import remat as remat
from haiku_like.autodiff import value_and_grad as value_and_grad
from haiku_like.batching import shard_map as shard_map
from haiku_like.batching import vmap as vmap
from haiku_like.control_flow import associative_scan as associative_scan
from haiku_like.control_flow import cond as cond
from haiku_like.control_flow import fori_loop as fori_loop
from haiku_like.control_flow import map as map
from haiku_like.control_flow import scan as scan
from haiku_like.control_flow import switch as switch
from haiku_like.control_flow import while_loop as while_loop
from haiku_like.custom_derivatives import custom_jvp as custom_jvp
from haiku_like.custom_derivatives import custom_vjp as custom_vjp
from haiku_like.inspect.dot import to_dot as to_dot
from haiku_like.layer_stack import LayerStackTransparencyMapping as LayerStackTransparencyMapping
from haiku_like.layer_stack import layer_stack as layer_stack
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
from haiku_like.layers.recurrent.unroll import dynamic_unroll as dynamic_unroll
from haiku_like.layers.recurrent.unroll import static_unroll as static_unroll
from haiku_like.layers.recurrent.vanilla_rnn import VanillaRNN as VanillaRNN
from haiku_like.layers.reshape import Flatten as Flatten
from haiku_like.layers.reshape import Reshape as Reshape
from haiku_like.layers.rms_norm import RMSNorm as RMSNorm
from haiku_like.layers.sequential import Sequential as Sequential
from haiku_like.layers.spectral_norm import SNParamsTree as SNParamsTree
from haiku_like.layers.spectral_norm import SpectralNorm as SpectralNorm
from haiku_like.tracing import eval_shape as eval_shape
from haiku_like.tracing import jit as jit
from haiku_like.typing import ModuleProtocol as ModuleProtocol
from haiku_like.typing import MutableParams as MutableParams
from haiku_like.typing import MutableState as MutableState
from haiku_like.typing import Params as Params
from haiku_like.typing import State as State
from haiku_like.typing import SupportsCall as SupportsCall

__all__ = [
    "DO_NOT_STORE",
    "GRU",
    "LSTM",
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
    "GetterContext",
    "GroupNorm",
    "IdentityCore",
    "InstanceNorm",
    "JaxTransformError",
    "LSTMState",
    "LayerNorm",
    "LayerStackTransparencyMapping",
    "LiftWithStateUpdater",
    "Linear",
    "MaxPool",
    "MethodContext",
    "MissingRNGError",
    "Module",
    "ModuleProtocol",
    "MultiHeadAttention",
    "MultiTransformed",
    "MultiTransformedWithState",
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
    "SetterContext",
    "SpectralNorm",
    "State",
    "SupportsCall",
    "Transformed",
    "TransformedWithState",
    "UsageError",
    "VanillaRNN",
    "__version__",
    "associative_scan",
    "avg_pool",
    "cond",
    "config",
    "current_name",
    "custom_creator",
    "custom_getter",
    "custom_jvp",
    "custom_setter",
    "custom_vjp",
    "data_structures",
    "deep_rnn_with_skip_connections",
    "dropout",
    "dynamic_unroll",
    "eval_shape",
    "expand_apply",
    "experimental",
    "force_name",
    "fori_loop",
    "get_channel_index",
    "get_current_state",
    "get_initial_state",
    "get_parameter",
    "get_params",
    "get_state",
    "grad",
    "initializers",
    "intercept_methods",
    "jit",
    "layer_stack",
    "lift",
    "lift_with_state",
    "map",
    "max_pool",
    "maybe_get_rng_sequence_state",
    "maybe_next_rng_key",
    "mixed_precision",
    "multi_transform",
    "multi_transform_with_state",
    "multinomial",
    "name_like",
    "name_scope",
    "nets",
    "next_rng_key",
    "next_rng_keys",
    "one_hot",
    "pad",
    "remat",
    "replace_rng_sequence_state",
    "reserve_rng_keys",
    "running_init",
    "scan",
    "set_state",
    "shard_map",
    "static_unroll",
    "switch",
    "testing",
    "to_dot",
    "to_module",
    "transform",
    "transform_with_state",
    "transparent",
    "transparent_lift",
    "transparent_lift_with_state",
    "value_and_grad",
    "vmap",
    "while_loop",
    "with_empty_state",
    "with_rng",
    "without_apply_rng",
    "without_state",
]
