"""Results of several parts that are dataclasses, mappings from the names of their fields, and pytrees."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, dataclass_transform

import jax

RecordType = TypeVar("RecordType", bound="Record")


class Record(Mapping):
    """What all such dataclasses can do; a subclass is decorated with `record`."""

    def __getitem__(self, key: str) -> Any:
        if key not in _names(type(self)):
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(_names(type(self)))

    def __len__(self) -> int:
        return len(_names(type(self)))

    @classmethod
    def from_tuple(cls: type[RecordType], args: tuple[Any, ...]) -> RecordType:
        """Returns a record whose fields are the elements of a tuple, in the order of the fields."""
        if len(args) != len(_names(cls)):
            raise ValueError(
                f"{cls.__name__}.from_tuple: args has {len(args)} elements, expected {len(_names(cls))}: "
                f"{', '.join(_names(cls))}."
            )
        return cls(*args)

    def to_tuple(self) -> tuple[Any, ...]:
        """Returns the fields as a tuple."""
        return tuple(self.values())

    def replace(self: RecordType, **kwargs: Any) -> RecordType:
        """Returns a copy with other values of the given fields."""
        return dataclasses.replace(self, **kwargs)  # pyright: ignore[reportArgumentType]


@dataclass_transform(frozen_default=True, eq_default=False)
def record(cls: type[RecordType]) -> type[RecordType]:
    """Makes a subclass of `Record` a frozen dataclass and a pytree, whose leaves come in the order of their names."""
    cls = dataclasses.dataclass(frozen=True, eq=False)(cls)
    return jax.tree_util.register_dataclass(cls, data_fields=sorted(_names(cls)), meta_fields=[])


def _names(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))
