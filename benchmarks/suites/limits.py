"""What the device can do at most: the limits that other figures are measured against."""

from collections.abc import Iterator

import jax.numpy as jnp

from benchmarks.case import Case, Numbers, bound


def limits(tiny: bool) -> Iterator[Case]:
    """Memory that is read and written, and large products of matrices."""
    draw = Numbers()
    count, n = (2**10, 16) if tiny else (2**25, 4096)
    yield Case(f"copy of {4 * count} bytes", "copy", {"copy": bound(lambda x: x + 1, draw.normal(count))}, "limits")
    a, b = draw.normal(n, n), draw.normal(n, n)
    for dtype in (jnp.float32, jnp.bfloat16):
        product = bound(jnp.matmul, a.astype(dtype), b.astype(dtype))
        name = f"product of matrices [{n}, {n}], {jnp.dtype(dtype).name}"
        yield Case(name, "product", {"product": product}, "limits")
