"""The layers, one concept a file."""
