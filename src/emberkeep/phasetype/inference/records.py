"""Frozen records as JAX sees them: their numbers are data, never part of a program."""

from __future__ import annotations

from emberkeep.phasetype.inference.requirements import require
from emberkeep.startup_records import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    T = TypeVar("T")


def node(cls: type[T]) -> type[T]:
    """Register a frozen record: all its fields are children."""

    def children(record: T) -> tuple[tuple[object, ...], None]:
        return values(record), None

    def make(_: None, fields: tuple[object, ...]) -> T:
        return cls(*fields)

    require("jax").tree_util.register_pytree_node(cls, children, make)
    return cls


def structure(cls: type[T]) -> type[T]:
    """Register a frozen record that is part of the program: none of its fields is data."""

    def children(record: T) -> tuple[tuple[()], tuple[object, ...]]:
        return (), values(record)

    def make(fields: tuple[object, ...], _: tuple[()]) -> T:
        return cls(*fields)

    require("jax").tree_util.register_pytree_node(cls, children, make)
    return cls
