"""Modules that treat each parameter of a model alike: which parameters, and by what names."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import jax


def compiled_regex(where: str, ignore_regex: Any) -> re.Pattern[str] | None:
    """Returns a pattern, or None if the regular expression is empty."""
    try:
        return re.compile(ignore_regex) if ignore_regex else None
    except (re.error, TypeError) as error:
        raise ValueError(
            f"{where}: ignore_regex is {ignore_regex!r}, expected a regular expression ({error}). To ignore all "
            f"biases pass '.*/b'."
        ) from None


def map_parameters(
    where: str,
    function: Callable[[str, jax.Array], jax.Array],
    tree: Any,
    ignored: re.Pattern[str] | None,
    tilde: str,
) -> dict[str, dict[str, jax.Array]]:
    """Returns `function(module name, parameter)` of each parameter; one that is ignored stays as it is.

    The module name is the parameter's path `module/name` made into an identifier, with `tilde` for each `~`.
    """
    if not isinstance(tree, Mapping) or not all(isinstance(bundle, Mapping) for bundle in tree.values()):
        raise TypeError(
            f"{where}: tree is of type {type(tree).__name__}, expected parameters {{module path: {{name: array}}}} as "
            f"init of a transformed function returns them."
        )
    mapped: dict[str, dict[str, jax.Array]] = {}
    for path, bundle in tree.items():
        mapped[path] = {}
        for name, value in bundle.items():
            full_name = f"{path}/{name}"
            if ignored is not None and ignored.match(full_name):
                mapped[path][name] = value
            else:
                mapped[path][name] = function(full_name.replace("/", "__").replace("~", tilde), value)
    return mapped
