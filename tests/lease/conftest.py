"""What tests of leases wait with."""

import threading

import pytest

AT_ONCE_S = 10.0  # what a loaded machine may take for what needs 50 ms


class Thread:
    """A thread whose result, or error, is waited for."""

    def __init__(self, work):
        self._work, self.result = work, None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            self.result = self._work()
        except BaseException as problem:  # noqa: BLE001 - looked at by the test
            self.result = problem

    @property
    def waits(self):
        self._thread.join(0.15)
        return self._thread.is_alive()

    def join(self):
        self._thread.join(AT_ONCE_S)
        assert not self._thread.is_alive(), "it still waits"
        return self.result


@pytest.fixture
def in_thread():
    """``in_thread(work)`` works in another thread; ``.waits``, and ``.join()`` for its result."""
    return Thread
