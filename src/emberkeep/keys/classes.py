"""Users' classes and their instances, by what they hold.

Classes of installed libraries never get here: they go by name and version (`origin`).
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import sys
import types
from _thread import get_ident

from emberkeep.errors import Unkeyable
from emberkeep.keys.fingerprint import branch, leaf
from emberkeep.keys.origin import is_of_user, library_object
from emberkeep.keys.reflection import class_words, order_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.keys.fingerprint import Fingerprint
    from emberkeep.keys.visitor import Visitor

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
# What `enum` keeps in a class; all of it follows from the members.
ENUM_MACHINERY = frozenset(
    [
        "__new__",
        "__new_member__",
        "_generate_next_value_",
        "_hashable_values_",
        "_inverted_",
        "_member_map_",
        "_member_names_",
        "_member_type_",
        "_new_member_",
        "_unhashable_values_",
        "_unhashable_values_map_",
        "_use_args_",
        "_value2member_map_",
        "_value_repr_",
    ]
)
MEMBER_BOOKKEEPING = frozenset(["_name_", "_value_", "_sort_order_", "_inverted_", "__objclass__"])
# What a member is as a number or text, which need not be its value; past methods of its own.
BENEATH: dict[type, Any] = {int: int.__int__, float: float.__float__, str: str.__str__}
GUARDING_REPR = ("dataclasses", "reprlib")  # the modules whose wrapper a dataclass's __repr__ is


def describe_class(cls: type, path: str, walk: Visitor) -> Fingerprint:
    """A user's class: its bases, methods and attributes; not where it stands."""
    _refuse_jitclass(cls, path)
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
        value = (member._name_, member._value_, member_state(member))
        children.append((f"member {name}", walk.compile_time(value, f"{path}.{name}")))
    for name, value in sorted(_own_attributes(cls).items()):
        is_slot = isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType))
        slot = leaf("slot", b"", "(slot)") if is_slot else None
        children.append((name, slot or walk.compile_time(value, f"{path}.{name}")))
    children += [*_changed_defaults(cls, path, walk), *_registered(cls, path, walk)]
    if walk.literal:
        children.append(("words", class_words(cls)))
    return branch("class", children)


def _refuse_jitclass(cls: type, path: str) -> None:
    if type(cls).__name__ == "JitClassType" and type(cls).__module__.startswith("numba."):
        raise Unkeyable(
            path,
            f"is the jitclass {cls.__qualname__}, whose layout numba keeps to itself",
            "Pass its fields as arrays or a frozen dataclass, or decorate it with "
            "@emberkeep.ingredient(version='1')",
        )


def _registered(cls: type, path: str, walk: Visitor) -> list[tuple[str, Fingerprint]]:
    """The classes that were registered as subclasses of an abstract one."""
    if "_abc_impl" not in vars(cls):
        return []
    held: set[Any] = vars(sys.modules["abc"])["_get_dump"](cls)[0]
    found = [other for other in (reference() for reference in held) if other is not None]
    found.sort(key=lambda other: f"{other.__module__}.{other.__qualname__}")
    return [
        (f"registered {index}", walk.compile_time(other, f"{path} → registered"))
        for index, other in enumerate(found)
    ]


def _changed_defaults(cls: Any, path: str, walk: Visitor) -> list[tuple[str, Fingerprint]]:
    """Defaults of methods that were generated, where they are no longer those of the fields."""
    space = vars(cls)
    if "_field_defaults" in space and "_fields" in space:
        method, expected = cls.__new__, list(cls._field_defaults.values())
    elif "__dataclass_fields__" in space and "__init__" in space:
        method = space["__init__"]
        fields = [f for f in cls.__dataclass_fields__.values() if f.init and not f.kw_only]
        expected = [f.default for f in fields if _has_default(f)]
    else:
        return []
    held = list(getattr(method, "__defaults__", None) or ())
    if len(held) == len(expected) and all(
        own is field or type(field).__name__ == "_MISSING_TYPE"
        for own, field in zip(held, expected, strict=True)
    ):
        return []
    return [("defaults", walk.compile_time(held, f"{path} defaults"))]


def _has_default(field: Any) -> bool:
    values = (field.default, field.default_factory)
    return any(type(value).__name__ != "_MISSING_TYPE" for value in values)


def _fields(cls: Any, path: str, walk: Visitor) -> Fingerprint:
    """A dataclass's fields and options, from which its generated methods follow."""
    # What later versions of Python list beside these shows in the fields and attributes.
    listed = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
    options = {name: getattr(cls.__dataclass_params__, name) for name in listed}
    children = [("options", walk.visit(options, path))]
    for name, field in cls.__dataclass_fields__.items():
        flags = (field.init, field.repr, field.hash, field.compare, field.kw_only)
        parts = [("flags", walk.visit(flags, path))]
        for part in ("default", "default_factory"):  # with slots, the class itself holds neither
            value = getattr(field, part)
            if type(value).__name__ != "_MISSING_TYPE":
                parts.append((part, walk.compile_time(value, f"{path}.{name} {part}")))
        children.append((name, branch("field", parts)))
    return branch("fields", children)


def _own_attributes(cls: type) -> dict[str, object]:
    """What a class's author wrote in it."""
    space = vars(cls)
    written = {
        name: value
        for name, value in space.items()
        if name not in BOOKKEEPING and not _generated_by_dataclass(value)
    }
    if "_member_map_" in space:
        return {
            name: value for name, value in written.items() if _written_in_enum(name, value, cls)
        }
    if "_fields" in space and cls.__bases__ == (tuple,):
        return {
            name: value
            for name, value in written.items()
            if not _generated_by_namedtuple(name, value)
        }
    return written


def _written_in_enum(name: str, value: Any, cls: Any) -> bool:
    """Functions, descriptors and values beside the members; the machinery is told apart."""
    if name in ENUM_MACHINERY or name in cls.__members__:
        return False
    inner = getattr(value, "fget", None) or getattr(value, "__func__", value)
    return not isinstance(inner, types.FunctionType) or library_object(inner) is None


def _generated_by_namedtuple(name: str, value: Any) -> bool:
    """Whether `namedtuple` wrote an attribute, and not its user over it."""
    inner = getattr(value, "__func__", value)
    if isinstance(inner, types.FunctionType):
        home = str(inner.__globals__.get("__name__"))
        return name in NAMED_TUPLE_METHODS and home.startswith(("collections", "namedtuple_"))
    return type(value).__name__ == "_tuplegetter" or name in NAMED_TUPLE_METHODS


def _generated_by_dataclass(value: Any) -> bool:
    """Whether `dataclass` wrote a method. The code's own name says so; a user's text cannot."""
    inner = value
    if isinstance(value, types.FunctionType):  # its __repr__ is guarded against recursion
        home = value.__globals__.get("__name__")
        inner = getattr(value, "__wrapped__", value) if home in GUARDING_REPR else value
        if inner is value and home == "dataclasses":
            return True
    code = getattr(inner, "__code__", None)
    return code is not None and code.co_qualname.startswith("__create_fn__.<locals>.")


def member_state(member: Any) -> dict[str, object]:
    """What an enum's own ``__new__`` or ``__init__`` stored in a member beside its value."""
    state = state_of(member)
    for base, plain in BENEATH.items():
        if isinstance(member, base):
            state[f"as {base.__name__}"] = plain(member)
    return {name: state[name] for name in sorted(state) if name not in MEMBER_BOOKKEEPING}


def cached_names(cls: type) -> set[str]:
    """The attributes that cached properties fill."""
    held = {name for base in cls.__mro__ for name in vars(base)}
    return {n for n in held if isinstance(_definition(cls, n), functools.cached_property)}


def describe_instance(value: Any, path: str, walk: Visitor) -> Fingerprint | None:
    """An instance of a user's class that code captures, as it is now; None where it has none.

    Not done for plain ingredients: those are values, and a value that can change is no key.
    """
    cls: type = type(value)
    if not (walk.compiled or callable(value)) or not state_is_visible(cls):
        return None
    state = known_state(value, walk)
    if state and not is_of_user(cls):
        return None  # a library's object may hold more than it shows
    again = walk.met(value) if state else None
    if again is not None:
        return again
    children = [("class", walk.compile_time(cls, f"{path}.__class__"))]
    children += [(name, walk.compile_time(state[name], f"{path}.{name}")) for name in sorted(state)]
    if walk.literal:
        children.append(("words", order_of(state)))
    return branch("instance", children)


_asked: set[tuple[int, int, str]] = set()  # by thread: properties that are being calculated


def known_state(value: Any, visitor: Visitor) -> dict[str, object]:
    """The attributes that an instance holds, without those that follow from the others.

    What a cached property has stored is left out where calculating it anew gives the same: then it
    does not matter whether it was read before. What somebody put in its place is state.
    """
    state = state_of(value)
    for name in state.keys() & cached_names(type(value)):
        if _follows(value, name, state[name], visitor):
            del state[name]
    return state


def _follows(value: Any, name: str, stored: Any, visitor: Visitor) -> bool:
    asked = (get_ident(), id(value), name)
    if asked in _asked:  # what it calculates has a key that this value is part of
        return False
    _asked.add(asked)
    definition: Any = _definition(type(value), name)
    try:
        again = definition.func(value)
        # Walks of their own: what they meet must not count for the one that goes on.
        both = [visitor.afresh().compile_time(item, name).digest for item in (again, stored)]
    except Exception:  # noqa: BLE001 - a user's function: what it stored remains a part of the key
        return False
    finally:
        _asked.discard(asked)
    return both[0] == both[1]


def _definition(cls: type, name: str) -> object:
    """What a class or its bases hold under a name, without calling any of it."""
    return next(vars(base)[name] for base in cls.__mro__ if name in vars(base))


def state_is_visible(cls: type) -> bool:
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


def state_of(value: Any) -> dict[str, object]:
    """The attributes that an instance holds, in its dictionary and its slots."""
    state: dict[str, object] = {}
    for base in type(value).__mro__:
        for name, slot in vars(base).items():
            if isinstance(slot, types.MemberDescriptorType) and _is_set(slot, value):
                label = f"{base.__qualname__}.{name}" if name in state else name
                state[label] = slot.__get__(value)
    return {**state, **getattr(value, "__dict__", {})}


def _is_set(slot: types.MemberDescriptorType, value: object) -> bool:
    try:
        slot.__get__(value)
    except AttributeError:
        return False
    return True
