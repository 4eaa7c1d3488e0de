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

    def final(cls):  # noqa: ANN001, ANN201 - typed above
        """Mark a class that nothing may subclass, as `typing.final` does."""
        return cls

    def frozen(cls):  # noqa: ANN001, ANN201 - typed above
        """Give an annotated class an initialiser, equality, hash, repr and no way to change."""
        names = tuple(cls.__annotations__)
        space = vars(cls)
        defaults = tuple([space[name] for name in names if name in space])
        for name in [name for name in names if name in space]:
            delattr(cls, name)
        cls.__match_args__ = names
        cls.__init__ = _initialiser(cls.__name__, names, defaults)
        for name, method in _METHODS.items():
            if name not in space:
                setattr(cls, name, method)
        return cls


# Records that are tuples would be made a little faster, and would let `"%s" % record`, JSON, NumPy
# and every loop see their fields. A class that writes its own initialiser needs `exec`, which costs
# more than all the rest: here one function's code serves all, with other names for its variables.
_SELF = "__record__"  # no field is called so
_set = object.__setattr__
_type: Any = type  # for what a type checker cannot know
_vars: Any = vars


def _template(self: Any) -> None:
    _fill(locals())


def _fill(given: dict[str, object]) -> None:
    record = given.pop(_SELF)
    _set(record, "__dict__", given)


def _initialiser(name: str, fields: tuple[str, ...], defaults: tuple[object, ...]) -> Any:
    """A function that takes the fields by position or name, and says which are missing."""
    function: Any = type(_template)
    size = len(fields) + 1
    code = _template.__code__.replace(
        co_argcount=size, co_nlocals=size, co_varnames=(_SELF, *fields), co_name=name
    )
    made = function(code, globals(), "__init__", defaults)
    made.__qualname__ = name
    return made


def _equal(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return self is other or _same(values(self), values(other))


def _same(one: Any, other: Any) -> bool:
    """Equality that is one answer for arrays too; NaN is equal to NaN in them."""
    if one is other:
        return True
    kind = _type(one)
    if kind is str:
        return one == other
    if kind in (tuple, list, dict):
        if kind is not _type(other) or len(one) != len(other):
            return False
        if kind is dict:
            return all(name in other and _same(one[name], other[name]) for name in one)
        return all(map(_same, one, other))
    if hasattr(kind, "__array__"):
        return _same_arrays(one, other)
    return not hasattr(_type(other), "__array__") and bool(one == other)


def _same_arrays(one: Any, other: Any) -> bool:
    if not hasattr(_type(other), "__array__") or one.shape != other.shape:
        return False
    equal = (one == other) | ((one != one) & (other != other))  # noqa: PLR0124 - asks for NaN
    return bool(equal.all())


def _hash(self: Any) -> int:
    try:
        return hash(values(self))
    except TypeError as problem:
        raise TypeError(
            f"A {type(self).__qualname__} that holds arrays or tables is unhashable ({problem}): "
            "it can be compared, and not be a key of a dict or a member of a set"
        ) from None


def _refuse(self: Any, name: str, *_: object) -> None:
    raise AttributeError(
        f"{type(self).__qualname__} is frozen: {name!r} cannot change. Make a new one instead."
    )


def _reduce(self: Any) -> tuple[Any, ...]:
    return _type(self), values(self)


def _show(self: Any) -> str:
    shown = ", ".join(f"{name}={value!r}" for name, value in as_dict(self).items())
    return f"{type(self).__qualname__}({shown})"


_METHODS = {
    "__hash__": _hash,
    "__eq__": _equal,
    "__repr__": _show,
    "__reduce__": _reduce,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
}


def values(record: Any) -> tuple[object, ...]:
    """The fields of a record in their order."""
    fields: dict[str, object] = _vars(record)
    return (*fields.values(),)


def as_dict(record: Any) -> dict[str, Any]:
    """The fields of a record by name."""
    return dict(_vars(record))


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
# OpenSSL's, once so much was hashed that importing it pays; and how much that is so far.
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
