"""Several stores as one: the first that has an artifact serves it and fills those above."""

from __future__ import annotations

from emberkeep.errors import StoreProblem
from emberkeep.records import final
from emberkeep.store.protocol import ABSENT, BY_WEIGHT, Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emberkeep.store.protocol import Entry, Kept, Key, Store


NOWHERE = Miss(ABSENT, "there is no layer to look in")


@final
class Layered:
    """Stores from the nearest to the farthest.

    Args:
        layers: read in this order; written wherever they are writable.
        on_problem: told when filling a layer above failed; that harms nobody else.
    """

    label = "layers"

    def __init__(
        self, layers: tuple[Store, ...], on_problem: Callable[[StoreProblem], None]
    ) -> None:
        self._layers = layers
        self._on_problem = on_problem

    @property
    def writable(self) -> bool:
        """Whether any layer is."""
        return any(layer.writable for layer in self._layers)

    def read(self, key: Key) -> Kept | Miss:
        """The artifact from the nearest layer that has it; else the most telling miss."""
        return self.locate(key)[0]

    def locate(self, key: Key) -> tuple[Kept | Miss, str]:
        """As `read`, with the label of the layer that answered."""
        worst, label = NOWHERE, self.label
        for depth, layer in enumerate(self._layers):
            found = layer.read(key)
            if not isinstance(found, Miss):
                for above in self._layers[:depth]:
                    self._fill(above, found)
                return found, layer.label
            if BY_WEIGHT.index(found.reason) >= BY_WEIGHT.index(worst.reason):
                worst, label = found, layer.label
        return worst, label

    def _fill(self, layer: Store, kept: Kept) -> None:
        if layer.writable:
            try:
                layer.write(kept)
            except StoreProblem as problem:
                self._on_problem(problem)

    def write(self, kept: Kept) -> None:
        """Keep an artifact in every layer that can; the first problem is raised at the end."""
        if not self.writable:
            raise StoreProblem(f"No layer can be written; {kept.manifest.key.name} was not kept")
        problems: list[StoreProblem] = []
        for layer in self._layers:
            if layer.writable:
                try:
                    layer.write(kept)
                except StoreProblem as problem:
                    problems.append(problem)
        if problems:
            raise problems[0]

    def remove(self, key: Key) -> bool:
        """Forget an artifact in every layer that can; the first problem is raised at the end."""
        removed = False
        problems: list[StoreProblem] = []
        for layer in self._layers:
            if layer.writable:
                try:
                    removed |= layer.remove(key)
                except StoreProblem as problem:
                    problems.append(problem)
        if problems:
            raise problems[0]
        return removed

    def entries(self) -> Iterator[Entry]:
        """Everything in any layer, once."""
        seen: set[tuple[str, str, str]] = set()
        for layer in self._layers:
            for entry in layer.entries():
                place = (entry.kind, entry.name, entry.key)
                if place not in seen:
                    seen.add(place)
                    yield entry
