"""Which sources pytest looks for examples in."""

import importlib.util

# It imports flax, which the package does without.
collect_ignore = [] if importlib.util.find_spec("flax") else ["src/haiku_like/flax_bridge.py"]
