"""Times as text."""

from collections.abc import Iterable, Sequence

from emberkeep.telemetry.durations import inclusive_ns, threads_ns, wall_ns
from emberkeep.telemetry.spans import Category, Span
from emberkeep.telemetry.tree import TreeNode, tree_of

_NS = 1e-9
# The attribute of spans that are a step of something (linking a kernel), not one thing more.
PART = "part"
_SHORTEST_IN_SECONDS = 1e-3
_NOTHING = "no time was recorded"

# What one span of a category is called in a report.
_NOUNS = {
    Category.CODEGEN: ("source", "sources"),
    Category.BUILD: ("build", "builds"),
    Category.COMPILE: ("function", "functions"),
    Category.LOAD: ("load", "loads"),
    Category.RUNTIME: ("run", "runs"),
}


def format_seconds(seconds: float) -> str:
    """Return a duration with three decimals, in ms where seconds would show only zeros."""
    if 0 < seconds < _SHORTEST_IN_SECONDS:
        return f"{seconds * 1e3:.3f} ms"
    return f"{seconds:.3f} s"


def summary(spans: Sequence[Span]) -> str:
    """Return one line per category: its total and how many spans it had."""
    totals = inclusive_ns(spans)
    if not totals:
        return _NOTHING
    rows: list[tuple[str, str, str]] = []
    for category, total in totals.items():
        number = sum(span.category is category and PART not in span.attributes for span in spans)
        noun = _NOUNS[category][number != 1]
        rows.append((category.value, format_seconds(total * _NS), f"({number} {noun})"))
    return "\n".join(_aligned(rows))


def breakdown(spans: Sequence[Span]) -> str:
    """Return the tree by component with inclusive and exclusive times."""
    if not spans:
        return _NOTHING
    rows = [
        ("component", "category", "inclusive", "exclusive", "count", ""),
        *_rows(tree_of(spans)),
    ]
    wall, threads = format_seconds(wall_ns(spans) * _NS), format_seconds(threads_ns(spans) * _NS)
    return "\n".join([*_aligned(rows), f"wall clock {wall}, added up over threads {threads}"])


def _rows(roots: tuple[TreeNode, ...]) -> Iterable[tuple[str, ...]]:
    pending = [(0, root) for root in reversed(roots)]
    while pending:
        depth, node = pending.pop()
        remarks = [f"{node.failed} failed"] if node.failed else []
        if node.description:
            remarks.append(node.description)
        yield (
            "  " * depth + node.name,
            node.category.value,
            format_seconds(node.inclusive_s),
            format_seconds(node.exclusive_s),
            str(node.count),
            "; ".join(remarks),
        )
        pending.extend((depth + 1, child) for child in reversed(node.children))


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the rows with columns of equal width; those between first and last may be times."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if cell.endswith((" s", " ms")) else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
