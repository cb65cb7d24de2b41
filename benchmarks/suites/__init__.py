"""What is measured, by suite."""

from benchmarks.suites.agents import agents
from benchmarks.suites.modules import modules
from benchmarks.suites.on_device import on_device
from benchmarks.suites.rl_math import rl_math

SUITES = {"modules": modules, "rl_math": rl_math, "agents": agents, "on_device": on_device}
