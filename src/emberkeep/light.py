"""What the warm path uses in place of modules that are slow to import.

`dataclasses` and `typing` bring in `inspect` and `re`, `hashlib` loads OpenSSL, `json` brings in
`re`: each costs more than all the rest of a hit. Here are frozen records, SHA-256 and a JSON
parser that are there at once; type checkers see the real thing. One module, because each module
costs a fifth of a millisecond too.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, TypeVar, dataclass_transform
    from typing import final as final  # noqa: PLC0414 - so it is exported

    Content = bytes | bytearray | memoryview[Any]

    class Hash(Protocol):
        """What `hashlib.sha256` gives."""

        def digest(self) -> bytes:
            """32 bytes."""
            ...

        def hexdigest(self) -> str:
            """64 digits."""
            ...

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


# SHA-256 ----------------------------------------------------------------------------------------

# OpenSSL takes several milliseconds to load; Python's own SHA-256 hashes this much meanwhile.
WORTH_OPENSSL_BYTES = 512 << 10


def _python_own() -> Callable[[Content], Hash] | None:
    """SHA-256 in C without OpenSSL, where this Python has it under a name we know."""
    name = "_sha2" if sys.version_info >= (3, 12) else "_sha256"
    try:
        module: Any = __import__(name)
    except ImportError:
        return None
    return module.sha256


_own = _python_own()
_openssl: list[Callable[[Content], Hash]] = []
_hashed_bytes = [0]


def sha256(content: Content = b"") -> Hash:
    """As `hashlib.sha256`."""
    if _openssl:
        return _openssl[0](content)
    _hashed_bytes[0] += len(content)
    if _own is None or _hashed_bytes[0] > WORTH_OPENSSL_BYTES or "_hashlib" in sys.modules:
        import hashlib

        _openssl.append(hashlib.sha256)
        return hashlib.sha256(content)
    return _own(content)


# JSON -------------------------------------------------------------------------------------------


class _ScannerOptions:
    """What `json.JSONDecoder` passes to the scanner."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    memo: dict[str, str] = {}  # noqa: RUF012 - the scanner empties it after each use

    @staticmethod
    def parse_constant(text: str) -> float:
        raise ValueError(f"{text} is not JSON")


def _make_scanner() -> Callable[[str, int], tuple[Any, int]] | None:
    """CPython's JSON scanner, written in C, or None where there is none.

    `json` around it imports `re` and `enum`, which takes longer than everything else on the way
    to a kept artifact.
    """
    try:
        from _json import make_scanner
    except ImportError:
        return None
    make: Any = make_scanner
    return make(_ScannerOptions)


_scan = _make_scanner()


def parse_json(text: str) -> Any:
    """Parse JSON; ValueError for anything else."""
    if _scan is None:
        import json

        return json.loads(text, parse_constant=_ScannerOptions.parse_constant)
    try:
        value, end = _scan(text, 0)
    except StopIteration as stop:
        raise ValueError(f"no JSON value at {stop.value}") from None
    except SystemError as problem:  # of Python 3.11, which wants `json` for the words of an error
        raise ValueError("no JSON") from problem
    if end != len(text):
        raise ValueError(f"more text after the JSON value at {end}")
    return value
