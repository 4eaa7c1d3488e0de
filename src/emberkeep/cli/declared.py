"""What a Python file declares that can be compiled ahead: the file is run, and its values asked."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location

from emberkeep.cli.session import warn
from emberkeep.errors import InvalidKernel
from emberkeep.targets.declaration import METHOD
from emberkeep.targets.numba_caches import declaring
from emberkeep.targets.numba_caches.declaration import of_dispatcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Generator, Iterator, Sequence
    from typing import Any

    from emberkeep.keep.keep import Keep
    from emberkeep.targets.declaration import Declared


def declared_in(
    module: types.ModuleType, noted: Sequence[tuple[Any, tuple[Any, ...]]], keep: Keep
) -> Iterator[Declared]:
    """What is a global name of the file, once each, and what that needs."""
    needed: set[tuple[str, str]] = set()
    for value in {id(value): value for value in vars(module).values()}.values():
        for declared in _of(value, noted, keep):
            if not declared.named:
                if (declared.name, declared.signature) in needed:
                    continue
                needed.add((declared.name, declared.signature))
            yield declared


def _of(value: Any, noted: Sequence[tuple[Any, tuple[Any, ...]]], keep: Keep) -> Iterator[Declared]:
    # Asked of its type: a class that the file names is no value of it.
    declares: Any = getattr(value.__class__, METHOD, None)
    if declares is not None:
        yield from declares(value, keep, warn)
    elif hasattr(value, "py_func"):
        yield from of_dispatcher(value, noted, keep, warn)


def load(path: str) -> tuple[types.ModuleType, Sequence[tuple[Any, tuple[Any, ...]]]]:
    """Run a Python file as a module, with its folder first on the path, as Python itself does.

    What it keeps of numba's is compiled later, for the targets that are named.
    """
    full = os.path.abspath(path)
    if not os.path.isfile(full):
        raise InvalidKernel(f"{path} is no file. Name a Python file that declares kernels")
    name = os.path.splitext(os.path.basename(full))[0]
    spec = spec_from_file_location(name, full)
    if spec is None or spec.loader is None:
        raise InvalidKernel(f"{path} is no Python file; its name must end in .py")
    module = module_from_spec(spec)
    sys.path.insert(0, os.path.dirname(full))
    sys.modules[name] = module
    try:
        with declaring() as noted, _staying():
            spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as problem:
        what = f"{type(problem).__name__}: {problem}"
        if isinstance(problem, SystemExit):
            what = f"it ends the process by itself (exit code {problem.code or 0})"
        raise InvalidKernel(
            f"{path} cannot be run: {what}. Everything at its top level is executed; put what "
            "runs the model under if __name__ == '__main__':"
        ) from problem
    return module, noted


@contextmanager
def _staying() -> Generator[None]:
    """Have what ends a process without a word raise in its place: its exit code would be ours."""
    process = os.getpid()

    def held(name: str, end: Callable[..., Any]) -> Callable[..., Any]:
        def leave(*arguments: Any) -> Any:
            if os.getpid() == process:  # a child that was forked ends as it likes
                raise SystemExit(f"os.{name}")
            return end(*arguments)

        return leave

    ends: dict[str, Any] = {name: getattr(os, name) for name in ("_exit", "execv", "execve")}
    for name, end in ends.items():
        setattr(os, name, held(name, end))
    try:
        yield
    finally:
        for name, end in ends.items():
            setattr(os, name, end)
