"""States that count things of several properties: which place of a state counts which."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Values = np.ndarray[Any, Any]


@final
class StateIndexer:
    """Places of a tuple that counts, say, lineages by their descendants and deme.

    ``StateIndexer({"descendants": range(1, 6), "deme": range(2)})`` has ten places; the last
    property goes fastest.

    Args:
        properties: by name, the values it can have: a range without gaps, or how many there are
            from 0.
    """

    __slots__ = ("_ranges",)

    def __init__(self, properties: Mapping[str, range | int]) -> None:
        self._ranges: dict[str, range] = {}
        for name, given in properties.items():
            values = range(given) if isinstance(given, int) else given
            if not isinstance(values, range) or values.step != 1 or not len(values):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InvalidGraph(
                    f"Property {name!r} has the values {given!r}; expected a range without gaps, "
                    "such as range(1, 6), or how many there are"
                )
            self._ranges[name] = values
        if not self._ranges:
            raise InvalidGraph("There are no properties; expected one at least")

    def __len__(self) -> int:
        """How many places there are."""
        return int(np.prod(self._shape))

    @property
    def _shape(self) -> tuple[int, ...]:
        return tuple(map(len, self._ranges.values()))

    def __repr__(self) -> str:
        named = ", ".join(
            f"{name} {values.start}..{values.stop - 1}" for name, values in self._ranges.items()
        )
        return f"<StateIndexer: {len(self)} places, {named}>"

    def index(self, properties: Mapping[str, int]) -> int:
        """The place of what has these properties; all must be named."""
        missing = [name for name in self._ranges if name not in properties]
        if missing:
            raise InvalidGraph(f"Properties {missing} have no value; matching() finds all places")
        (found,) = self.matching(properties).tolist()
        return found

    def properties(self, index: int) -> dict[str, int]:
        """The properties of a place."""
        if not 0 <= index < len(self):
            raise InvalidGraph(f"There is no place {index!r}; there are {len(self)}, from 0")
        places = np.unravel_index(index, self._shape)
        return {
            name: values[int(place)]
            for (name, values), place in zip(self._ranges.items(), places, strict=True)
        }

    def matching(self, properties: Mapping[str, int]) -> Values:
        """All places with these properties."""
        places: Values = np.arange(len(self)).reshape(self._shape)
        for name, value in properties.items():
            values = self._values(name)
            if value not in values:
                raise InvalidGraph(f"{name} is {value!r}; expected one of {values!r}")
            places = places.take([values.index(value)], axis=[*self._ranges].index(name))
        return places.reshape(-1)

    def _values(self, name: str) -> range:
        if name not in self._ranges:
            raise InvalidGraph(f"There is no property {name!r}; there are {[*self._ranges]}")
        return self._ranges[name]

    def state(self, counts: Iterable[tuple[Mapping[str, int], int]]) -> tuple[int, ...]:
        """The state with counts of some properties, and none of others."""
        found = [0] * len(self)
        for properties, count in counts:
            found[self.index(properties)] += count
        return tuple(found)

    def totals(self, states: Any, name: str) -> Values:
        """By state and value of a property, how many have it: rewards by kind.

        Args:
            states: rows of numbers, as ``graph.states.rows``; places behind those that are
                indexed are not looked at.
            name: the property.
        """
        rows = np.asarray(states)
        if rows.ndim != 2 or rows.shape[1] < len(self):  # noqa: PLR2004
            raise InvalidGraph(
                f"States have the shape {rows.shape}; expected rows of {len(self)} numbers or more"
            )
        self._values(name)
        axis = [*self._ranges].index(name)
        shaped = rows[:, : len(self)].reshape(-1, *self._shape)
        others = tuple(each + 1 for each in range(len(self._shape)) if each != axis)
        return shaped.sum(axis=others)
