"""A call of a kept function: what it is called with, as far as it decides what is compiled."""

from __future__ import annotations

from importlib import import_module

from emberkeep.errors import Unkeyable
from emberkeep.startup_records import final, frozen
from emberkeep.xla.executables import internals, trees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any


@final
@frozen
class Statics:
    """Which arguments are values of the program instead of arrays that it takes.

    Attributes:
        positions: among the positional arguments.
        names: among those given by name.
    """

    positions: tuple[int, ...] = ()
    names: tuple[str, ...] = ()


def statics_of(function: object, static: tuple[int | str, ...]) -> Statics:
    """A function's static arguments by position and by name, however they were told."""
    if not static:
        return Statics()
    positions = {place for place in static if isinstance(place, int)}
    names = {place for place in static if isinstance(place, str)}
    parameters = _parameters(function)
    for index, (name, is_positional) in enumerate(parameters):
        if name in names and is_positional:
            positions.add(index)
        elif index in positions or index - len(parameters) in positions:
            names.add(name)
    return Statics(tuple(sorted(positions)), tuple(sorted(names)))


def _parameters(function: Any) -> list[tuple[str, bool]]:
    """Names of parameters, and whether each has a position; none where nobody can tell."""
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    kinds = inspect.Parameter
    return [
        (parameter.name, parameter.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD))
        for parameter in parameters
        if parameter.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
    ]


@final
@frozen
class Call:
    """One call.

    Attributes:
        leaves: the arrays and numbers in it.
        tree: how they are arranged.
        types: their shapes and types.
        statics: values of the static arguments, with their places.
        device: where it is to run.
        is_committed: whether its arrays are bound to that device.
    """

    leaves: Sequence[Any]
    tree: Any
    types: tuple[Any, ...]
    statics: tuple[tuple[object, object], ...]
    device: Any
    is_committed: bool

    @property
    def signature(self) -> object:
        """What two calls have in common that can run the same program; hashable."""
        return (
            self.tree,
            tuple(_type_of(aval) for aval in self.types),
            self.statics,
            self.device,
            self.is_committed,
            internals.trace_context(),
        )

    def ingredients(self, *, by_behaviour: bool) -> Mapping[str, object]:
        """What of the call is in the plan key."""
        return {
            "arguments": trees.describe(self.tree, by_behaviour=by_behaviour),
            "types": tuple(_type_of(aval) for aval in self.types),
            "static": self.statics,
        }


def read(args: tuple[Any, ...], kwargs: Mapping[str, Any], statics: Statics) -> Call:
    """A call's parts.

    Raises:
        TypeError: an argument is no array, number or tree of such.
        Unkeyable: its arrays are spread over devices.
    """
    jax: Any = import_module("jax")
    api_util: Any = import_module("jax.api_util")
    values, fixed = _divided(args, kwargs, statics)
    leaves, tree = jax.tree.flatten(values)
    types = tuple(api_util.shaped_abstractify(leaf) for leaf in leaves)
    bound = {device for leaf in leaves for device in _committed_to(leaf)}
    if len(bound) > 1:
        raise Unkeyable(
            "arguments",
            f"are spread over {len(bound)} devices",
            "Programs are kept for one device: put the arguments on one",
        )
    device = next(iter(bound)) if bound else internals.default_device()
    return Call(leaves, tree, types, fixed, device, bool(bound))


def _divided(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], statics: Statics
) -> tuple[Any, tuple[tuple[object, object], ...]]:
    positions = {index % len(args) if index < 0 else index for index in statics.positions if args}
    fixed: list[tuple[object, object]] = [
        (index, args[index]) for index in sorted(positions) if index < len(args)
    ]
    fixed += [(name, kwargs[name]) for name in sorted(statics.names) if name in kwargs]
    taken = tuple(value for index, value in enumerate(args) if index not in positions)
    named = {name: value for name, value in kwargs.items() if name not in statics.names}
    return (taken, named), tuple(fixed)


def _type_of(aval: Any) -> tuple[object, ...]:
    memory = getattr(aval.memory_space, "name", str(aval.memory_space))
    return tuple(aval.shape), str(aval.dtype), bool(aval.weak_type), memory


def _committed_to(leaf: Any) -> Iterator[Any]:
    """The devices that an array must be used on; none for numbers and NumPy's arrays."""
    sharding = getattr(leaf, "sharding", None)
    if sharding is None:
        return
    devices = sharding.device_set
    # What is only described (ShapeDtypeStruct) is bound to the devices it names.
    if len(devices) > 1 or getattr(leaf, "committed", True):
        yield from devices
