"""Runnable agents, one file an algorithm."""
