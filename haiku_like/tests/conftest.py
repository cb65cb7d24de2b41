"""Strict settings for every test of the package."""

import jax
import pytest


@pytest.fixture(autouse=True)
def strict_rank_promotion():
    with jax.numpy_rank_promotion("raise"):
        yield
