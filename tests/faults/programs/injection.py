"""Something happens at the N-th operation on files, counted over `os` and `flock`."""

import fcntl
import os
import signal
import traceback

OPERATIONS = (
    "open",
    "read",
    "write",
    "close",
    "replace",
    "rename",
    "link",
    "unlink",
    "utime",
    "stat",
    "fstat",
    "mkdir",
    "ftruncate",
    "scandir",
)


def install(action):
    """Call ``action(count, name, operation, arguments)`` in place of every operation."""
    counted = [0]

    def wrap(place, name):
        operation = getattr(place, name)

        def counting(*arguments, **options):
            counted[0] += 1
            return action(counted[0], name, lambda *given: operation(*given, **options), arguments)

        setattr(place, name, counting)

    for name in OPERATIONS:
        wrap(os, name)
    wrap(fcntl, "flock")
    return counted


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def crash_at(number, *, torn):
    """Die at an operation: before it, or, where it writes, with half of it done."""

    def action(count, name, operation, arguments):
        if count == number:
            if torn and name == "write":
                operation(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            die()
        return operation(*arguments)

    return action


def fail_at(number, problem, *, lasting):
    """Fail with an error number at an operation, and at all that follow if it is lasting."""

    def action(count, name, operation, arguments):
        if count == number or (lasting and count > number):
            if name == "close":
                operation(*arguments)  # as close(2) does: the descriptor is gone all the same
            raise OSError(problem, os.strerror(problem), *(a for a in arguments if type(a) is str))
        return operation(*arguments)

    return action


def in_child(work):
    """Run in a forked child; its wait status, and the text that the work returned, if it did."""
    source, target = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(source)
        try:
            told, status = work(), 0
        except BaseException as problem:  # noqa: BLE001 - told to the parent
            told, status = "".join(traceback.format_exception(problem)), 1
        posix_write(target, told.encode())
        os._exit(status)
    os.close(target)
    with os.fdopen(source, "rb") as file:
        told = file.read().decode()
    return os.waitpid(process, 0)[1], told


posix_write = os.write  # not the counted one
