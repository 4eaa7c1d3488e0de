"""Users' classes and their instances, by what they hold.

Classes of installed libraries never get here: they go by name and version (`origin`).
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import types

from emberkeep.errors import Unkeyable
from emberkeep.keys.fingerprint import branch, leaf
from emberkeep.keys.origin import library_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.keys.fingerprint import Fingerprint
    from emberkeep.keys.ingredients import Walk

# Written by Python itself, or about the source instead of what it does.
BOOKKEEPING = frozenset(
    [
        "__module__",
        "__doc__",
        "__dict__",
        "__weakref__",
        "__annotations__",
        "__annotate__",
        "__annotate_func__",
        "__annotations_cache__",
        "__dataclass_fields__",
        "__dataclass_params__",
        "__firstlineno__",
        "__static_attributes__",
        "__qualname__",
        "__abstractmethods__",
        "_abc_impl",
        "__orig_bases__",
        "__parameters__",
        "__match_args__",
        "__type_params__",
        "__classcell__",
    ]
)
# What `collections.namedtuple` writes: it follows from the fields and their defaults.
NAMED_TUPLE_METHODS = frozenset(
    [
        "__new__",
        "__slots__",
        "__repr__",
        "__getnewargs__",
        "__replace__",
        "_make",
        "_replace",
        "_asdict",
    ]
)


def describe_class(cls: type, path: str, walk: Walk) -> Fingerprint:
    """A user's class: its bases, methods and attributes; not where it stands."""
    if type(cls).__module__.partition(".")[0] == "numba":
        raise Unkeyable(
            path,
            f"is the jitclass {cls.__qualname__}, whose layout numba keeps to itself",
            "Pass its fields as arrays or a frozen dataclass, or decorate it with "
            "@emberkeep.ingredient(version='1')",
        )
    children = [("name", walk.visit(cls.__qualname__, path))]
    for index, base in enumerate(cls.__bases__):
        if base is not object:
            children.append((f"base {index}", walk.compile_time(base, f"{path} base")))
    if type(cls) is not type:
        children.append(("metaclass", walk.compile_time(type(cls), f"{path} metaclass")))
    if "__dataclass_fields__" in vars(cls):
        children.append(("fields", _fields(cls, path, walk)))
    members: dict[str, Any] = vars(cls).get("_member_map_", {})
    for name, member in members.items():
        value = walk.compile_time(member.value, f"{path}.{name}")
        children.append((f"member {name}", value))
    for name, value in sorted(_own_attributes(cls, members).items()):
        if isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType)):
            children.append((name, leaf("slot", b"", "(slot)")))
        else:
            children.append((name, walk.compile_time(value, f"{path}.{name}")))
    return branch("class", children)


def _fields(cls: Any, path: str, walk: Walk) -> Fingerprint:
    """A dataclass's fields and options, from which its generated methods follow."""
    children = [("options", walk.visit(repr(cls.__dataclass_params__), path))]
    for name, field in cls.__dataclass_fields__.items():
        flags = (field.init, field.repr, field.hash, field.compare, field.kw_only)
        parts = [("flags", walk.visit(flags, path))]
        if isinstance(field.default_factory, (type, types.FunctionType)):
            parts.append(("factory", walk.compile_time(field.default_factory, f"{path}.{name}")))
        children.append((name, branch("field", parts)))
    return branch("fields", children)


def _own_attributes(cls: type, members: dict[str, Any]) -> dict[str, object]:
    """What a class's author wrote in it."""
    space = vars(cls)
    if members:
        return {name: value for name, value in space.items() if _written_in_enum(name, value, cls)}
    named_tuple = "_fields" in space and cls.__bases__ == (tuple,)
    return {
        name: value
        for name, value in space.items()
        if name not in BOOKKEEPING
        and not _generated_by_dataclass(value)
        and not (named_tuple and (name in NAMED_TUPLE_METHODS or name in space["_fields"]))
    }


def _written_in_enum(name: str, value: Any, cls: Any) -> bool:
    """Functions and descriptors of an enum; its members and the machinery are told apart."""
    if name in BOOKKEEPING or name in cls.__members__ or name == "__new__":
        return False
    inner = getattr(value, "fget", None) or getattr(value, "__func__", value)
    return isinstance(inner, types.FunctionType) and library_object(inner) is None


def _generated_by_dataclass(value: Any) -> bool:
    """Whether `dataclass` wrote a method. The code's own name says so; a user's text cannot."""
    inner = getattr(value, "__wrapped__", value)
    code = getattr(inner, "__code__", None)
    return code is not None and code.co_qualname.startswith("__create_fn__.<locals>.")


def describe_instance(value: Any, path: str, walk: Walk) -> Fingerprint | None:
    """An instance of a user's class that code captures, as it is now; None where it has none.

    Not done for plain ingredients: those are values, and a value that can change is no key.
    """
    cls: type = type(value)
    if not (walk.compiled or callable(value)) or not _state_is_visible(cls):
        return None
    state = _state(value)
    if state and library_object(cls) is not None:
        return None  # a library's object may hold more than it shows
    children = [("class", walk.compile_time(cls, f"{path}.__class__"))]
    for name in sorted(state):
        children.append((name, walk.compile_time(state[name], f"{path}.{name}")))
    return branch("instance", children)


def _state_is_visible(cls: type) -> bool:
    """Whether instances keep all their state in attributes.

    A class written in C makes its instances larger than slots, dictionary and weak references
    explain: what it keeps there cannot be read.
    """
    pointer = object.__basicsize__ // 2
    for base in cls.__mro__[:-1]:
        names: Any = vars(base).get("__slots__", ())
        slots = 1 if isinstance(names, str) else len(names)
        explained = slots + ("__dict__" in vars(base)) + ("__weakref__" in vars(base))
        parent: Any = base.__base__
        if base.__basicsize__ - parent.__basicsize__ > pointer * explained:
            return False
    return True


def _state(value: Any) -> dict[str, object]:
    state: dict[str, object] = dict(getattr(value, "__dict__", {}))
    for base in type(value).__mro__:
        slots: Any = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                state[name] = getattr(value, name)
    return state
