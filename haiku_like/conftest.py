"""Which sources pytest looks for examples in."""

import importlib.util

# They import flax, which the package does without.
IMPORT_FLAX = ["src/haiku_like/flax_bridge.py", "src/haiku_like/experimental/flax.py"]
collect_ignore = [] if importlib.util.find_spec("flax") else IMPORT_FLAX
