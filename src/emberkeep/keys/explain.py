"""What differs between two trees of ingredients: every leaf, with both values."""

from __future__ import annotations

from emberkeep.keys.fingerprint import shorten
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.keys.fingerprint import Fingerprint


@final
@frozen
class Difference:
    """A place where two trees of ingredients differ, with both values as text."""

    path: str
    left: str
    right: str

    def __str__(self) -> str:
        return f"{self.path}: {self.left} → {self.right}"


ABSENT = "(absent)"


def explain(a: Fingerprint, b: Fingerprint) -> tuple[Difference, ...]:
    """Name every leaf in which two trees differ, with both values; empty when they are equal."""
    return tuple(_differences(a, b, ""))


def _differences(a: Fingerprint, b: Fingerprint, path: str) -> Iterator[Difference]:
    if a.digest == b.digest:
        return
    if a.kind != b.kind or not (a.children and b.children):
        yield Difference(path or "(root)", *_distinct(a, b))
        return
    left, right = _by_label(a), _by_label(b)
    found = False
    for label in (*left, *(label for label in right if label not in left)):
        below = f"{path}.{label}" if path else label
        if label not in right:
            yield Difference(below, summary(left[label]), ABSENT)
        elif label not in left:
            yield Difference(below, ABSENT, summary(right[label]))
        elif left[label].digest != right[label].digest:
            yield from _differences(left[label], right[label], below)
        else:
            continue
        found = True
    if not found:  # the same parts in another order
        order_a, order_b = (", ".join(label for label, _ in x.children) for x in (a, b))
        yield Difference(f"{path or '(root)'} (order)", shorten(order_a), shorten(order_b))


def _by_label(node: Fingerprint) -> dict[str, Fingerprint]:
    """Children by label; the members of a set may share one, and are told apart by their digest."""
    named: dict[str, Fingerprint] = {}
    for label, child in node.children:
        named[label if label not in named else f"{label} #{child.digest[:12]}"] = child
    return named


def summary(node: Fingerprint) -> str:
    """A value in a line: its text, or what it is made of."""
    if node.text:
        return node.text
    labels = ", ".join(label for label, _ in node.children)
    return shorten(f"{node.kind} ({labels})" if labels else f"{node.kind} (empty)")


def _distinct(a: Fingerprint, b: Fingerprint) -> tuple[str, str]:
    """Both values as texts that differ even where shortening made them alike."""
    left, right = summary(a), summary(b)
    if a.kind != b.kind:
        return f"{a.kind} {left}", f"{b.kind} {right}"
    if left == right:
        return f"{left} [{a.digest[:12]}]", f"{right} [{b.digest[:12]}]"
    return left, right
