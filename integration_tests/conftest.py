"""Eight virtual devices, and hypothesis's settings, before any test is imported."""

import os

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"

import hypothesis
import jax
import pytest

# A first example compiles, so it takes long; and the same examples are drawn each time.
hypothesis.settings.register_profile("compiled", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.load_profile("compiled")


@pytest.fixture
def x64():
    """Double precision, by the one name that it has in every jax."""
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)
