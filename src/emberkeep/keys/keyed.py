"""Ingredients with their fingerprints, and whether they are still what they were then."""

from __future__ import annotations

from emberkeep.errors import Unkeyable
from emberkeep.keys import Fingerprint, fingerprint_mapping
from emberkeep.keys.walk import Walk
from emberkeep.keys.watch import Watch
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Ingredients = Mapping[str, object]


@final
@frozen
class Keyed:
    """Ingredients, as they were when they were read.

    Attributes:
        trees: their fingerprints by name; empty where one has none.
        digest: of all of them; no other's where one has none.
        refusal: why they have no key.
        watch: whether anything of them has moved since.
    """

    trees: Mapping[str, Fingerprint]
    digest: str
    refusal: Unkeyable | None
    watch: Watch

    def ingredients(self) -> Mapping[str, object]:
        """What a keep is asked for.

        Raises:
            Unkeyable: there is no key.
        """
        if self.refusal is not None:
            raise self.refusal.with_traceback(None)
        return self.trees

    def has_changed(self, ask: Callable[[], Ingredients]) -> bool:
        """Whether the ingredients, asked for again, have another key now."""
        if self.watch.unchanged():
            return False
        return self.refusal is None and key_of(ask).digest != self.digest


def key_of(ask: Callable[[], Ingredients]) -> Keyed:
    """The key of what `ask` gives, and the watch over it.

    Where something has no key, everything else that can be seen is watched all the same: what is
    compiled has to be compiled again once it has moved.
    """
    watch, given = Watch(), ask()
    try:
        tree = fingerprint_mapping(given, label="ingredients", watch=watch)
    except Unkeyable as problem:
        watch = Watch()
        for name in sorted(given):
            Walk(watch, lenient=True, literal=True).visit(given[name], name)
        return Keyed({}, f"refused {id(watch)}", problem, watch)
    return Keyed(dict(tree.children), tree.digest, None, watch)
