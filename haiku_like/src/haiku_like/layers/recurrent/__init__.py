"""Recurrent cores, what wraps and stacks them, and what runs them over a sequence: one concept a file."""
