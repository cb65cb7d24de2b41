"""Shapes that must fit together, written as patterns of named axes."""

import jax
import jax.numpy as jnp


def fit(function: str, **arguments: tuple[jax.Array, str]) -> None:
    """Raises unless each argument, an array and a pattern such as `"*B A"`, has the shape of its pattern.

    An axis that is named once has the same size wherever it is named; `*B` stands for any number of axes. A pattern
    may have alternatives, `"*B|"` for a batch or a number. The first argument that names an axis sets its size.
    """
    known: dict[str, tuple[tuple[int, ...], str]] = {}
    for name, (array, pattern) in arguments.items():
        options = [option.split() for option in pattern.split("|")]
        for option in options:
            found = _match(option, array.shape, known)
            if found is not None:
                known.update({axis: (sizes, name) for axis, sizes in found.items() if axis not in known})
                break
        else:
            setters = dict.fromkeys(known[axis][1] for option in options for axis in option if axis in known)
            expected = dict.fromkeys(_write(option, known) for option in options)
            like = f" like {' and '.join(setters)}" if setters else ""
            raise ValueError(
                f"{function}: {name} has shape {array.shape}, expected {' or '.join(expected)}{like}.{_remedy(options)}"
            )


def broadcast(function: str, argument: str, x: jax.Array, like: str, shape: tuple[int, ...]) -> jax.Array:
    """Returns an argument with the given shape, that of the argument `like`; raises if it does not broadcast to it."""
    try:
        return jnp.broadcast_to(x, shape)
    except ValueError:
        raise ValueError(
            f"{function}: {argument} has shape {x.shape}, expected a number or a shape that broadcasts to {shape}, "
            f"that of {like}."
        ) from None


def _remedy(options: list[list[str]]) -> str:
    axes = [axis for option in options for axis in option]
    if "T" in axes:
        return " Time comes first, then any batch, the same for all arguments."
    return " Leading axes are a batch, the same for all arguments." if any(a[0] == "*" for a in axes) else ""


def _match(
    option: list[str], shape: tuple[int, ...], known: dict[str, tuple[tuple[int, ...], str]]
) -> dict[str, tuple[int, ...]] | None:
    """The sizes of each axis of the pattern, or None if the shape does not have it."""
    stars = [i for i, axis in enumerate(option) if axis[0] == "*"]
    if len(shape) < len(option) - len(stars) or (not stars and len(shape) != len(option)):
        return None
    sizes: dict[str, tuple[int, ...]] = {}
    position = 0
    for axis in option:
        length = len(shape) - len(option) + 1 if axis[0] == "*" else 1
        here = shape[position : position + length]
        position += length
        expected = known[axis][0] if axis in known else sizes.setdefault(axis, here)
        if here != expected:
            return None
    return sizes


def _write(option: list[str], known: dict[str, tuple[tuple[int, ...], str]]) -> str:
    """The pattern with sizes where they are known: "(2, A)", or "[*B, A]" if the batch is not."""
    if not option:
        return "a number"
    sizes = [str(n) for axis in option for n in (known[axis][0] if axis in known else (axis,))]
    if any(axis[0] == "*" and axis not in known for axis in option):
        return f"[{', '.join(sizes)}]"
    return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"
