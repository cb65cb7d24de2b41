"""Networks in every library: hand-written JAX, ours, and what users would pick instead."""

import functools

from benchmarks.networks.conv_net import conv_net
from benchmarks.networks.linear_stack import linear_stack
from benchmarks.networks.lstm import lstm
from benchmarks.networks.resnet import resnet
from benchmarks.networks.transformer import transformer

NETWORKS = {
    "linear_stack": linear_stack,
    "transformer": transformer,
    "stacked_transformer": functools.partial(transformer, stacked=True),
    "lstm": lstm,
    "conv_net": conv_net,
    "resnet": resnet,
}
