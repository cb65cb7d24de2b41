"""How modules get their names: pure functions and the register of names taken in one scope."""

import functools
import re

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?!^)(?=[A-Z][a-z])")
_NUMBERED = re.compile(r"(.*)_(0|[1-9][0-9]*)", re.ASCII)

TOP_LEVEL = "~"
"""The module path of variables that belong to no module."""


class ForcedName(str):
    """A module path that is taken as it is, by `hk.force_name`."""

    __slots__ = ()


@functools.cache
def snake_case(class_name: str) -> str:
    """Returns the default module name of a class: `MyLayer` gives `my_layer`, `HTTPServer` gives `http_server`.

    An underscore goes before each capital that follows a lower-case letter or a digit, or that a lower-case
    letter follows.
    """
    return _WORD_START.sub("_", class_name).lower()


def method_suffix(method_name: str) -> str:
    """Returns what stands between a module's path and the names of submodules that the method builds.

    Nothing for `__call__`, `/~` for `__init__`, `/~encode` for a method `encode`.
    """
    if method_name == "__call__":
        return ""
    return "/~" if method_name == "__init__" else f"/~{method_name}"


def check_module_name(name: object, class_name: str) -> None:
    """Raises unless `name` is a Python identifier."""
    if not isinstance(name, str):
        raise TypeError(
            f"{class_name}: name is {name!r} of type {type(name).__name__}, expected a string or None. "
            f"Pass name={snake_case(class_name)!r}, or leave it out to name the module after its class."
        )
    if not name.isidentifier() and not isinstance(name, ForcedName):
        raise ValueError(
            f"{class_name}: name is {name!r}, expected a Python identifier: letters, digits and underscores, not "
            f"starting with a digit. Paths such as 'encoder/~/linear' are built by haiku_like from nested modules."
        )


class NameRegister:
    """The module names taken in one run of one method.

    Attributes:
      lasting: Names that stay taken in this register and all its copies, whichever of them goes on.
    """

    __slots__ = ("_next_number", "_taken", "lasting")

    def __init__(self) -> None:
        self._next_number: dict[str, int] = {}
        self._taken: set[str] = set()
        self.lasting: set[str] = set()

    def copy(self) -> "NameRegister":
        """Returns a register with the same names, which goes on apart."""
        copy = NameRegister()
        copy.become(self)
        copy.lasting = self.lasting
        return copy

    def become(self, other: "NameRegister") -> None:
        """Takes the names of another register instead of its own, for all who share this one."""
        self._next_number = dict(other._next_number)
        self._taken = set(other._taken)

    def claim(self, name: str) -> str:
        """Returns a free form of `name` and takes it: `linear`, then `linear_1`, `linear_2`.

        A name that already ends in a number is kept as it is, and moves the count of its stem past that number.

        Raises:
          ValueError: a numbered name is taken already.
        """
        numbered = _NUMBERED.fullmatch(name) if name[-1:].isdigit() else None
        if numbered:
            stem, number = numbered[1], int(numbered[2])
            unique = name
        else:
            stem, number = name, self._next_number.get(name, 0)
            unique = f"{stem}_{number}" if number else stem
            while unique in self.lasting:
                number += 1
                unique = f"{stem}_{number}"
        if unique in self._taken or unique in self.lasting:
            raise ValueError(
                f"module name {unique!r} is taken in this scope already, expected a name that is still free. A name "
                f"that ends in a number is not numbered further: give the module another one, or build it once and "
                f"call it twice to share parameters."
            )
        if number >= self._next_number.get(stem, 0):
            self._next_number[stem] = number + 1
        self._taken.add(unique)
        return unique
