"""A store against a dictionary: whatever the steps, both say the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from emberkeep.store.files import folder_name
from emberkeep.store.protocol import ABSENT, Miss
from emberkeep.testing.samples import key as make_key
from emberkeep.testing.samples import unsealed
from emberkeep.testing.strategies import artifacts

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.store.protocol import Kept, Key, Store

# Few, so that steps meet: names that become one folder if nobody takes care.
NAMES = st.sampled_from(("lorenz", "Lorenz", "../x", ".._x", "", "blobs"))
TEXTS = st.sampled_from(("a", "b"))
KEYS = st.builds(make_key, kind=NAMES, name=NAMES, plan=TEXTS, build=TEXTS)


@dataclass(frozen=True)
class _Place:
    """How stores are made, opened again and sealed for."""

    make_store: Callable[[], Store]
    reopen: Callable[[Store], Store] | None
    seal: Callable[[str], str]


class _StoreMachine(RuleBasedStateMachine):
    """One store, and what it should hold."""

    place: _Place
    store: Store
    model: dict[Key, Kept]

    @initialize()
    def open(self) -> None:
        """Begin with nothing."""
        self.store = self.place.make_store()
        self.model = {}

    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        """Keep something new, or in place of something else."""
        artifact = data.draw(artifacts(kinds=NAMES, seal=self.place.seal))
        self.store.write(artifact)
        self.model[artifact.manifest.key] = artifact

    @rule(key=KEYS)
    def read(self, key: Key) -> None:
        """Look for anything."""
        self._compare(key)

    @precondition(lambda self: bool(self.model))
    @rule(data=st.data())
    def read_known(self, data: st.DataObject) -> None:
        """Look for something that is there."""
        self._compare(data.draw(st.sampled_from(list(self.model))))

    @rule(key=KEYS)
    def remove(self, key: Key) -> None:
        """Remove anything."""
        assert self.store.remove(key) == (self.model.pop(key, None) is not None)

    @precondition(lambda self: bool(self.model))
    @rule(data=st.data())
    def remove_known(self, data: st.DataObject) -> None:
        """Remove something that is there."""
        key = data.draw(st.sampled_from(list(self.model)))
        assert self.store.remove(key)
        del self.model[key]

    @precondition(lambda self: self.place.reopen is not None)
    @rule()
    def open_again(self) -> None:
        """What was kept outlives the object that kept it."""
        reopen = self.place.reopen
        assert reopen is not None
        self.store = reopen(self.store)

    @invariant()
    def lists_the_same(self) -> None:
        """The listing is exact after every step."""
        listed = [(entry.kind, entry.name, entry.key) for entry in self.store.entries()]
        expected = [(folder_name(k.kind), folder_name(k.name), str(k)) for k in self.model]
        assert sorted(listed) == sorted(expected)

    def _compare(self, key: Key) -> None:
        found, expected = self.store.read(key), self.model.get(key)
        if expected is None:
            assert isinstance(found, Miss)
            assert found.reason == ABSENT
        else:
            assert found == expected


def store_machine(
    make_store: Callable[[], Store],
    *,
    reopen: Callable[[Store], Store] | None = None,
    seal: Callable[[str], str] = unsealed,
) -> type[RuleBasedStateMachine]:
    """A state machine that writes, reads, removes and lists, and compares with a dictionary.

    Run it with ``hypothesis.stateful.run_state_machine_as_test``, or let pytest find its
    ``TestCase``.

    Args:
        make_store: gives a fresh, empty, writable store that never forgets by itself.
        reopen: gives a store anew that holds what another one holds; for durable stores.
        seal: seals the digest of a document, as the store expects it.
    """
    return type("StoreMachine", (_StoreMachine,), {"place": _Place(make_store, reopen, seal)})
