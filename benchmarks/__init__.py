"""Speed beside hand-written JAX, dm-haiku and rlax."""
