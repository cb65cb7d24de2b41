"""Networks in every library: hand-written JAX, ours, and what users would pick instead."""

from benchmarks.networks.conv_net import conv_net
from benchmarks.networks.linear_stack import linear_stack
from benchmarks.networks.lstm import lstm

NETWORKS = {"linear_stack": linear_stack, "lstm": lstm, "conv_net": conv_net}
