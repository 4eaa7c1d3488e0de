"""Frozen records for the warm path: what a frozen dataclass gives, without its import.

`dataclasses` and `typing` bring in `inspect` and `re`, some 15 ms of a start whose own work is
one. Modules on the way to a kept artifact use `frozen` and `final` from here; type checkers see
the real thing. A record is a tuple underneath: the interpreter makes, reads and guards it in C.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar, dataclass_transform
    from typing import final as final  # noqa: PLC0414 - so it is exported

    T = TypeVar("T")

    @dataclass_transform(frozen_default=True)
    def frozen(cls: type[T]) -> type[T]:
        """See below."""
        ...

else:
    from _collections import _tuplegetter  # what namedtuple reads its fields with

    def final(cls):  # noqa: ANN001, ANN201 - typed above
        """Mark a class that nothing may subclass, as `typing.final` does."""
        return cls

    def frozen(cls):  # noqa: ANN001, ANN201 - typed above
        """Give an annotated class an initialiser, equality, hash, repr and no way to change."""
        names = tuple(cls.__annotations__)
        space = {name: value for name, value in vars(cls).items() if name not in REPLACED}
        defaults = {name: space.pop(name) for name in names if name in space}
        readers = {name: _tuplegetter(index, "") for index, name in enumerate(names)}
        shared = {
            "__slots__": (),
            "__match_args__": names,
            "_defaults": defaults,
            "__new__": _make,
            "__eq__": _equal,
            "__ne__": _differ,
            "__hash__": tuple.__hash__,
            "__setattr__": _refuse,
            "__delattr__": _refuse,
            "__getnewargs__": _values,
        }
        return type(cls.__name__, (tuple,), {"__repr__": _show, **space, **readers, **shared})


# Of the class as it was written: what a class without instance dictionaries does not have.
REPLACED = ("__dict__", "__weakref__")
_tuple: Any = tuple
_new_tuple = _tuple.__new__
_tuple_equal = _tuple.__eq__


def _make(cls: Any, /, *values: object, **named: object) -> Any:
    if named or len(values) != len(cls.__match_args__):
        values = _complete(cls, values, named)
    return _new_tuple(cls, values)


def _complete(cls: Any, values: tuple[object, ...], named: dict[str, object]) -> tuple[object, ...]:
    """All values in the order of the fields: those given by position, by name, and defaults."""
    names = cls.__match_args__
    placed = dict(zip(names, values, strict=False))
    wrong = [name for name in named if name not in names or name in placed]
    given = {**cls._defaults, **placed, **named}
    missing = [name for name in names if name not in given]
    if wrong or missing or len(values) > len(names):
        raise TypeError(
            f"{cls.__qualname__}({', '.join(names)}) was called with {len(values)} values and "
            f"{list(named)}: missing {missing}, unknown or given twice {wrong}"
        )
    return tuple([given[name] for name in names])


def _equal(self: Any, other: object) -> bool:
    return type(other) is type(self) and _tuple_equal(self, other)


def _differ(self: Any, other: object) -> bool:
    return not _equal(self, other)


def _refuse(self: Any, name: str, *_: object) -> None:
    raise AttributeError(
        f"{type(self).__qualname__} is frozen: {name!r} cannot change. Make a new one instead."
    )


def _values(self: Any) -> tuple[object, ...]:
    return tuple(self)


def _show(self: Any) -> str:
    shown = ", ".join(f"{name}={value!r}" for name, value in as_dict(self).items())
    return f"{type(self).__qualname__}({shown})"


def as_dict(record: Any) -> dict[str, Any]:
    """The fields of a record by name."""
    return dict(zip(record.__match_args__, record, strict=True))


def replace(record: T, changes: dict[str, object]) -> T:
    """A copy of a frozen record with some fields changed."""
    return type(record)(**{**as_dict(record), **changes})
