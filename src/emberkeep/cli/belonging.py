"""Whose an entry is: a model of the user's, or a kernel that emberkeep itself is written in."""

from __future__ import annotations

from emberkeep.store.composition import read_ingredients

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.store.directory import Directory

KIND = "generated"
OWN_MODULES = "emberkeep."


def is_own(kind: str, document: bytes) -> bool:
    """Whether emberkeep compiled this for itself: the key of such says where it is written."""
    plan = read_ingredients(document).get("plan") if kind == KIND else None
    if plan is None:
        return False
    function = dict(plan.children).get("function")
    return (
        function is not None
        and not function.children
        and function.text.strip("'\"").startswith(OWN_MODULES)
        and " as " in function.text
    )


def count_own(directory: Directory) -> int:
    """How many entries are emberkeep's own."""
    return sum(
        is_own(entry.kind, directory.read_entry(entry)[1])
        for entry in directory.entries()
        if entry.kind == KIND
    )
