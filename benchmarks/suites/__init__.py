"""What is measured, by suite."""

from benchmarks.suites.agents import agents
from benchmarks.suites.limits import limits
from benchmarks.suites.modules import modules
from benchmarks.suites.rl_math import rl_math

SUITES = {"limits": limits, "modules": modules, "rl_math": rl_math, "agents": agents}
