"""Waiting for compiled code in a way that Ctrl-C ends.

Python sees a signal only between its own instructions, and on its main thread. So compiled code
runs on another thread, while the caller waits for a lock, which signals interrupt.
"""

from __future__ import annotations

from _thread import allocate_lock, start_new_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_EVERY_S = 0.1


def wait_for(
    work: Callable[[], None], stop: Callable[[], None], look: Callable[[], None] | None = None
) -> None:
    """Do work on another thread, and wait for its end.

    Args:
        work: what is done.
        stop: makes `work` return soon.
        look: called every tenth of a second.

    Raises:
        BaseException: what `work` raised, or what interrupted the waiting.
    """
    done = allocate_lock()
    done.acquire()
    problems: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as problem:  # noqa: BLE001 - raised again where it is waited for
            problems.append(problem)
        finally:
            done.release()

    start_new_thread(run, ())
    try:
        while not done.acquire(timeout=LOOK_EVERY_S if look else -1):
            if look is not None:
                look()
    except BaseException:
        stop()
        done.acquire()  # the memory that it writes to must not be given back before
        raise
    if problems:
        raise problems[0]
