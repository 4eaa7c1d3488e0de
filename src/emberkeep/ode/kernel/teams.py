"""One step of a trajectory spread over several warps of a GPU: a team, with a lane in each.

What a step of many states holds does not fit into the registers of one thread, and most of the time
goes to memory. So states are shared out. Each thread of a team computes what its own states need,
and tells the others, through the memory that a block shares, what they need of it. All of it is one
straight line, so who computes what, and after how many meetings, is found here, once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from emberkeep.ode.kernel.code import Block, Value, Variable, all_instructions, items
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from emberkeep.ode.kernel.code import Code

    Instruction = tuple[Any, ...]

_STRAIGHT = frozenset(
    {"+", "-", "*", "/", "//", "%", "&", "-x", "<", "<=", ">", ">=", "==", "!=", "and", "or", "not"}
    | {"where", "convert", "call", "whole", "listed", "any", "told", "get"}
)


@final
@frozen
class Team:
    """Threads that go through a loop over steps together.

    Attributes:
        size: how many.
        shared: variables that lie in shared memory there.
        homes: for each of them, by its number, where.
        owners: likewise, the thread that sets it.
        places: how many numbers shared memory has for each lane.
        meetings: of all threads in a turn.
    """

    size: int
    shared: tuple[Variable, ...]
    homes: Mapping[int, int]
    owners: Mapping[int, int]
    places: int
    meetings: int


def spread(code: Code, shared: Sequence[Variable], owners: Sequence[int], size: int) -> Team | None:
    """Spread the loop over steps, each of which is one straight line, over a team.

    Args:
        code: a loop over trajectories, with one over steps at its end.
        shared: variables that only one thread sets there.
        owners: the thread of each.
        size: how many threads there are.

    Returns:
        None where a step is more than that: what each thread does for itself sets what is shared.
    """
    outer = _last_loop(code.body)
    loop = _last_loop(outer)
    by_number = {one.number: owner for one, owner in zip(shared, owners, strict=True)}
    spreading = _Spreading(loop, by_number, code.owners, size)
    if not spreading.is_straight:
        return None
    blocks, places, meetings = spreading.result()
    homes = {one.number: place for place, one in enumerate(shared)}
    team = Team(size, (*shared,), homes, by_number, places, meetings)
    outer.instructions[-1] = ("team", team, *blocks)
    return team


def _last_loop(block: Block) -> Block:
    operation, loop = block.instructions[-1]
    assert operation == "loop"
    return loop


@final
class _Spreading:
    def __init__(
        self, block: Block, shared: Mapping[int, int], owners: Mapping[int, int], size: int
    ) -> None:
        self._shared, self._given_to, self._size = shared, owners, size
        self._straight: list[Instruction] = []
        self._last: dict[int, tuple[Variable, Value]] = {}  # what variables are set to
        self._same: dict[int, Value] = {}  # values that are others: of variables set before
        self._rest = self._read(block.instructions)
        self.is_straight = all(
            self._is_kept(instruction) for instruction in _instructions(self._rest)
        )
        self._maker = {made.number: place for place, (_, made, *_) in enumerate(self._straight)}
        self._all = frozenset(range(size))
        self._owners: dict[int, frozenset[int]] = {}
        self._level: dict[int, int] = {}
        self._own()
        self._set_levels()
        self._aliases = [item for item in _used(self._rest) if item.number in self._same]

    # What there is ----------------------------------------------------------------------------

    def _read(self, instructions: Sequence[Instruction]) -> list[Instruction]:
        """Take the straight line apart from the rest, which each thread does for itself."""
        for place, (operation, *rest) in enumerate(instructions):
            if operation == "set":
                variable, value = rest
                self._last[variable.number] = variable, self._known(value)
            elif operation == "get" and rest[1].number in self._last:
                self._same[rest[0].number] = self._last[rest[1].number][1]
            elif operation in _STRAIGHT:
                result, *given = rest
                self._straight.append((operation, result, *map(self._known, given)))
            else:
                return [*instructions[place:]]
        return []

    def _is_kept(self, instruction: Instruction) -> bool:
        """Whether an instruction leaves what is shared: one thread may be ahead of others."""
        return instruction[0] != "set" or instruction[1].number not in self._shared

    def _known(self, item: Any) -> Any:
        """What an instruction is applied to; what a variable was set to, in place of reading it."""
        while isinstance(item, Value) and item.number in self._same:
            item = self._same[item.number]
        return item

    def _given(self, instruction: Instruction) -> list[Value]:
        """The values that an instruction takes from others of the straight line."""
        return [
            item
            for item in items(instruction[2:])
            if isinstance(item, Value) and item.number in self._maker
        ]

    # Who computes what ------------------------------------------------------------------------

    def _own(self) -> None:
        """What no state owns is computed by all whom it is used by; else, by whom it comes from."""
        changing = self._changing()
        users: dict[int, set[int]] = {}
        for variable, value in self._last.values():
            if variable.number in self._shared:
                users.setdefault(value.number, set()).add(self._shared[variable.number])
        undecided: list[Instruction] = []
        for instruction in reversed(self._straight):
            operation, made, *_ = instruction
            if made.number not in changing or operation == "get":
                self._owners[made.number] = self._all
                continue
            if made.number in self._given_to:
                chosen = frozenset({self._given_to[made.number]})
            elif made.number in users:
                chosen = frozenset(users[made.number])
            else:
                undecided.append(instruction)
                continue
            self._owners[made.number] = chosen
            for value in self._given(instruction):
                users.setdefault(value.number, set()).update(chosen)
        for instruction in reversed(undecided):
            self._owners[instruction[1].number] = frozenset({self._heir(instruction)})

    def _changing(self) -> set[int]:
        """Values that come of shared variables, until all threads are told."""
        found: set[int] = set()
        for instruction in self._straight:
            operation, made, *rest = instruction
            is_shared = operation == "get" and rest[0].number in self._shared
            comes = any(value.number in found for value in self._given(instruction))
            if is_shared or (comes and operation != "told"):
                found.add(made.number)
        return found

    def _heir(self, instruction: Instruction) -> int:
        """Who computes what no thread's states need: the owner of what it takes last."""
        found = 0
        for value in self._given(instruction):
            owners = self._owners[value.number]
            if owners != self._all:
                found = min(owners)
        return found

    # After how many meetings ------------------------------------------------------------------

    def _set_levels(self) -> None:
        for instruction in self._straight:
            made = instruction[1].number
            self._level[made] = max(
                (
                    self._level[value.number] + self._crosses(value, owner)
                    for value in self._given(instruction)
                    for owner in self._owners[made]
                ),
                default=0,
            )

    def _crosses(self, value: Value, thread: int) -> bool:
        """Whether a thread is told a value."""
        return thread not in self._owners[value.number]

    # Written down -----------------------------------------------------------------------------

    def result(self) -> tuple[list[Block], int, int]:
        """What each thread does, how many places there are, and meetings."""
        ends = [value for variable, value in self._last.values() if self._is_told(variable, value)]
        used = (*ends, *map(self._known, _used(self._rest)))
        wanted = {value.number for value in used if value.number in self._maker}
        levels = 1 + max(
            max(self._level.values(), default=0),
            max((self._level[one] + (self._owners[one] != self._all) for one in wanted), default=0),
            self._last_foreign() + 1,
        )
        told = self._told(wanted, levels)
        slots, places = self._slots(told, len(self._shared), levels)
        threads = [self._thread(thread, levels, wanted, slots) for thread in range(self._size)]
        return threads, places, levels

    def _is_told(self, variable: Variable, value: Value) -> bool:
        """Whether some who set a variable are told to what."""
        owner = self._shared.get(variable.number)
        return owner is None or owner not in self._owners.get(value.number, self._all)

    def _last_foreign(self) -> int:
        """The last level at which a shared variable is read by a thread that does not set it."""
        found = -1
        for instruction in self._straight:
            made = instruction[1].number
            for value in self._given(instruction):
                operation, _, *rest = self._straight[self._maker[value.number]]
                is_shared = operation == "get" and rest[0].number in self._shared
                if is_shared and self._owners[made] - {self._shared[rest[0].number]}:
                    found = max(found, self._level[made])
        return found

    def _told(self, wanted: Iterable[int], levels: int) -> dict[int, int]:
        """Values that others need; and the last level at which one of them does."""
        found: dict[int, int] = {}
        for instruction in self._straight:
            made = instruction[1].number
            for value in self._given(instruction):
                if not self._owners[made] <= self._owners[value.number]:
                    found[value.number] = max(found.get(value.number, 0), self._level[made])
        for number in wanted:
            if self._owners[number] != self._all:
                found[number] = levels - 1
        return found

    def _slots(
        self, told: Mapping[int, int], first: int, levels: int
    ) -> tuple[dict[int, int], int]:
        """Places of shared memory; one is free again after the level at which it is read last."""
        made: dict[int, list[int]] = {}
        over: dict[int, list[int]] = {}
        for number, last in told.items():
            made.setdefault(self._level[number], []).append(number)
            over.setdefault(last, []).append(number)
        slots: dict[int, int] = {}
        free: list[int] = []
        top = first
        for level in range(levels):
            for number in made.get(level, ()):
                if free:
                    slots[number] = free.pop()
                else:
                    slots[number] = top
                    top += 1
            free += [slots[number] for number in over.get(level, ())]
        return slots, top

    def _thread(
        self, thread: int, levels: int, wanted: set[int], slots: Mapping[int, int]
    ) -> Block:
        end = levels - 1
        by_level: list[list[Instruction]] = [[] for _ in range(levels)]
        own = [one for one in self._straight if thread in self._owners[one[1].number]]
        for value, level in self._heard(thread, own, wanted, end).items():
            by_level[level].append(("hear", value, slots[value.number]))
        for instruction in own:
            made = instruction[1]
            level = by_level[self._level[made.number]]
            level.append(instruction)
            if min(self._owners[made.number]) == thread and made.number in slots:
                level.append(("tell", slots[made.number], made))
        by_level[end] += [("same", value, self._known(value)) for value in self._aliases]
        for variable, value in self._last.values():
            if self._shared.get(variable.number, thread) == thread:
                by_level[end].append(("set", variable, value))
        block = Block()
        for level in by_level:
            block.instructions += [*level, ("meet",)]
        block.instructions += self._rest
        return block

    def _heard(
        self, thread: int, own: Sequence[Instruction], wanted: set[int], end: int
    ) -> dict[Value, int]:
        """What a thread is told; and the first level at which it needs that."""
        found: dict[Value, int] = {}
        for instruction in own:
            level = self._level[instruction[1].number]
            for value in self._given(instruction):
                if self._crosses(value, thread):
                    found[value] = min(found.get(value, level), level)
        for _, made, *_ in self._straight:
            if made.number in wanted and self._crosses(made, thread):
                found.setdefault(made, end)
        return found


def _instructions(instructions: Sequence[Instruction]) -> Iterator[Instruction]:
    """Instructions, and those within them."""
    block = Block()
    block.instructions = [*instructions]
    return all_instructions(block)


def _used(instructions: Sequence[Instruction]) -> list[Value]:
    """Values that instructions, and those within them, are applied to."""
    inner = _instructions(instructions)
    return [item for each in inner for item in items(each) if isinstance(item, Value)]
