"""Frozen records for the warm path: what a frozen dataclass gives, without its import.

`dataclasses` and `typing` bring in `inspect` and `re`, some 15 ms of a start whose own work is
one. Modules on the way to a kept artifact use `frozen` and `final` from here; type checkers see
the real thing.
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

    def final(cls):  # noqa: ANN001, ANN201 - typed above
        """Mark a class that nothing may subclass, as `typing.final` does."""
        return cls

    def frozen(cls):  # noqa: ANN001, ANN201 - typed above
        """Give an annotated class an initialiser, equality, hash, repr and no way to change."""
        cls.__match_args__ = tuple(cls.__annotations__)
        cls.__init__ = _fill
        cls.__eq__ = _equal
        cls.__hash__ = _hash
        cls.__setattr__ = _refuse
        cls.__delattr__ = _refuse
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = _show
        return cls


def _fill(self: Any, /, *values: object, **named: object) -> None:
    names = self.__match_args__
    if named or len(values) != len(names):
        values = _complete(type(self), values, named)
    self.__dict__.update(zip(names, values, strict=True))


def _complete(cls: Any, values: tuple[object, ...], named: dict[str, object]) -> tuple[object, ...]:
    """All values in the order of the fields: those given by position, by name, and defaults."""
    names, defaults = cls.__match_args__, cls.__dict__
    given = dict(zip(names, values, strict=False))
    wrong = [name for name in named if name not in names or name in given]
    given.update(named)
    missing = [name for name in names if name not in given and name not in defaults]
    if wrong or missing or len(values) > len(names):
        raise TypeError(
            f"{cls.__qualname__}({', '.join(names)}) was called with {len(values)} values and "
            f"{list(named)}: missing {missing}, unknown or given twice {wrong}"
        )
    return tuple(given.get(name, defaults.get(name)) for name in names)


def _equal(self: Any, other: object) -> bool:
    if type(other) is not type(self):
        return NotImplemented
    return self.__dict__ == other.__dict__


def _hash(self: Any) -> int:
    return hash(tuple(self.__dict__.values()))


def _show(self: Any) -> str:
    shown = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
    return f"{type(self).__qualname__}({shown})"


def _refuse(self: Any, name: str, *_: object) -> None:
    raise AttributeError(
        f"{type(self).__qualname__} is frozen: {name!r} cannot change. Make a new one instead."
    )


def replace(record: T, changes: dict[str, object]) -> T:
    """A copy of a frozen record with some fields changed."""
    return type(record)(**{**record.__dict__, **changes})
