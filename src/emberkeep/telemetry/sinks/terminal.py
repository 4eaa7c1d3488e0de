"""Writing text to a stream that may be closed, narrow in its letters, or no terminal."""

import errno
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import RenderableType


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether someone looks at `stream` as it is written."""
    return stream is not None and not stream.closed and stream.isatty()


def write_text(stream: TextIO | None, text: str) -> None:
    """Write and flush `text`; letters that the stream's encoding lacks become question marks.

    Raises:
        OSError: the stream cannot be written to; also where it is closed or there is none.
    """
    if stream is None or stream.closed:
        raise OSError(errno.EBADF, "the stream is closed")
    # Streams in memory have no encoding; they take any letter.
    encoding: str | None = getattr(stream, "encoding", None)
    if encoding is not None:
        text = text.encode(encoding, "replace").decode(encoding)
    stream.write(text)
    stream.flush()


def drawn(stream: TextIO, *parts: "RenderableType") -> str:
    """Return what rich would print to the terminal `stream`, on one line.

    rich draws and `write_text` writes: rich itself ends the process where a pipe is broken,
    and its live displays replace `sys.stdout`.
    """
    from rich.console import Console

    console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
    with console.capture() as capture:
        console.print(*parts, end="")
    return capture.get()
