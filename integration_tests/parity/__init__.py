"""Differential tests against dm-haiku and rlax, installed from the package index and run as they are."""
