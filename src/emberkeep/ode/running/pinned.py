"""Results in pinned memory, which comes back to its solver when nobody holds them any more.

A device writes into pinned memory by itself, at the full speed of the bus. To pin it takes long, so
it is used again; but never while a result, or a view of one, still looks at it.
"""

from __future__ import annotations

from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import numpy as np

    Values = np.ndarray[Any, Any]

# What is not larger than this is pinned; more would take memory away from everybody else.
MOST_PINNED_BYTES = 4 << 30
KEPT = 4  # buffers that wait for the next result


@final
class PinnedPool:
    """Pinned memory for results of one solver."""

    def __init__(self) -> None:
        self._free: list[Values] = []

    def array(self, shape: tuple[int, ...], dtype: Any) -> Values:
        """An array with any contents; its memory comes back when it is gone."""
        import numpy as np

        from emberkeep.targets.cuda.memory import pinned_empty

        kind = np.dtype(dtype)
        size = int(np.prod(shape)) * kind.itemsize
        fitting = [buffer for buffer in self._free if size <= buffer.size <= 2 * size + 4096]
        if fitting:
            buffer = min(fitting, key=lambda one: one.size)
            # In place: what is on loan comes back to this very list.
            self._free[:] = [one for one in self._free if one is not buffer]
        else:
            buffer = pinned_empty(max(size, 1), np.uint8)
        lent = _Lent(buffer, self._free)
        return np.asarray(lent)[:size].view(kind).reshape(shape)


@final
class _Lent:
    """A buffer on loan: arrays made of it hold it, and with the last of them it goes back."""

    def __init__(self, buffer: Values, home: list[Values]) -> None:
        self._buffer, self._home = buffer, home

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return self._buffer.__array_interface__

    def __del__(self) -> None:
        if len(self._home) < KEPT:
            self._home.append(self._buffer)
