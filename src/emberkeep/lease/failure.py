"""The error of a failed build, left for those who waited on that very lease.

It lies beside the lease in a file of its own, which outlives it::

    <token of the lease>
    <who built>
    <the error, in words>

Who waited knows the token, and raises the error; who comes later does not, and tries again.
"""

from __future__ import annotations

from emberkeep.errors import BuildFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGE_LIMIT = 1 << 16


def path_for(lease_path: str) -> str:
    """Where the error of a lease's build lies."""
    return f"{lease_path}.failed"


def compose(token: str, builder: str, problem: Exception) -> bytes:
    """The content of that file."""
    text = f"{token}\n{builder}\n{_describe(problem)}"
    return text.encode("utf-8", "backslashreplace")[:MESSAGE_LIMIT]


def heard(read: Callable[[], bytes], seen: set[str]) -> BuildFailed | None:
    """The error to raise, if it was left by a lease whose token was seen while waiting."""
    if not seen:
        return None
    try:
        message = read()
    except (OSError, ValueError):
        return None
    token, _, _ = message.decode("utf-8", "replace").partition("\n")
    return error_of(message) if token in seen else None


def error_of(message: bytes) -> BuildFailed:
    """What those who waited raise."""
    _, _, told = message.decode("utf-8", "replace").partition("\n")
    # Others can write there: what moves a cursor must not reach a terminal.
    builder, _, problem = (
        "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in part)
        for part in told.partition("\n")
    )
    return BuildFailed(
        f"{builder} was building this and failed with {problem}. Call again to try the build here."
    )


def _describe(problem: Exception) -> str:
    try:
        return f"{type(problem).__name__}: {problem}"
    except Exception:  # noqa: BLE001 - its `__str__` is the user's, and may do anything
        return type(problem).__name__
