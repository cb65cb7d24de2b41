"""Environments with the interface of dm_env."""
