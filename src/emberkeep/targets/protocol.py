"""What a target is: from a kernel's source to blobs, and from blobs to something that runs."""

from __future__ import annotations

import types
from abc import ABC, abstractmethod

from emberkeep.errors import InvalidKernel
from emberkeep.startup_records import final, frozen, sha256
from emberkeep.targets.arguments import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any, Protocol

    from emberkeep.keep.artifact import Artifact
    from emberkeep.keys.toolchain import Toolchain
    from emberkeep.targets.arguments import ArgumentType
    from emberkeep.targets.compile_times import FunctionTime


FLAGS = frozenset({"nnan", "ninf", "nsz", "arcp", "contract", "afn", "reassoc", "fast"})


@final
@frozen
class KernelSource:
    """What is compiled.

    Attributes:
        name: what people call it.
        function: plain Python; its first parameter is the index, the others are the arguments.
        types: of the arguments, without the index.
        options: the compiler's, by name.
        text: of generated code, to be kept for reading.
        notes: what whoever runs it must know, as JSON; see `Runnable.notes`.
        own: modules of emberkeep that the function, and all that it reaches, is written in; their
            bytes are in the key in its place, which takes a hundredth of the time of walking it.
    """

    name: str
    function: Any
    types: tuple[ArgumentType, ...]
    options: Mapping[str, Any]
    text: str = ""
    notes: Mapping[str, Any] = {}
    own: Sequence[str] = ()

    def ingredients(self) -> Mapping[str, object]:
        """What the kernel is, as half of its key."""
        function: Any = self.function
        if self.own:
            function = f"{function.__module__}.{function.__qualname__} as {self.name}"
        return {
            "function": function,
            "arguments": argument_names(self.function),
            "signature": describe(self.types),
            "options": {name: self.options[name] for name in sorted(self.options)},
        }

    @property
    def language(self) -> str:
        """Python."""
        return PYTHON

    def source(self, target: Target) -> KernelSource:  # noqa: ARG002 - the same for all
        """Itself: it is a source already."""
        return self


# What a source is written in: Python, which numba compiles; the language of its target, LLVM's
# assembly or CUDA C++; or the latter, calling functions of the user's in the former.
PYTHON, PRINTED, MIXED = "python", "printed", "mixed"


@final
@frozen
class UserFunction:
    """Plain Python that a printed kernel calls: compiled by numba alone, and linked in.

    What a kernel calls is `void symbol(double …, double *results)` in C; where the function raises,
    all results are not-a-number.

    Attributes:
        symbol: what the kernel calls it.
        function: of numbers of double precision, and an array that it writes results to.
        written: what the user wrote of it, which errors point to.
        given: how many numbers it takes.
        results: how many it writes.
        liberties: that a processor's compiler may take; LLVM's names.
    """

    symbol: str
    function: Any
    written: Any
    given: int
    results: int
    liberties: tuple[str, ...] = ()


@final
@frozen
class PrintedSource:
    """A kernel in the language of its target; numba is needed for functions of the user's alone.

    Attributes:
        name: what people call it.
        text: LLVM's assembly, or CUDA C++, with an entry as `emberkeep.targets.plain_call` says.
        arguments: names and types, such as ``("values", "float64[]")``.
        notes: what whoever runs it must know, as JSON; see `Runnable.notes`.
        functions: of the user's, that it calls.
    """

    name: str
    text: str
    arguments: tuple[tuple[str, str], ...]
    notes: Mapping[str, Any]
    functions: Sequence[UserFunction] = ()


if TYPE_CHECKING:
    Source = KernelSource | PrintedSource

    class Request(Protocol):
        """Something to compile: what it is, and on a miss, its source."""

        @property
        def name(self) -> str:
            """What people call it."""
            ...

        @property
        def own(self) -> Sequence[str]:
            """Modules of emberkeep that write its source: their bytes are in the key."""
            ...

        @property
        def language(self) -> str:
            """What its source is written in: `PYTHON`, `PRINTED` or `MIXED`."""
            ...

        def ingredients(self) -> Mapping[str, object]:
            """What it is, as half of its key; found without generating code."""
            ...

        def source(self, target: Target) -> Source:
            """What is compiled."""
            ...


class Runnable(ABC):
    """A loaded kernel.

    Attributes:
        notes: what its source said about running it.
    """

    notes: Mapping[str, Any]

    @abstractmethod
    def __call__(self, count: int, arguments: Sequence[Any], *, unchecked: bool = False) -> None:
        """Run it for every index below `count`.

        Args:
            count: how many indices.
            arguments: the kernel's.
            unchecked: whether arrays that the kernel indexes by its index may be shorter.

        Raises:
            InvalidArgument: what was passed does not fit the signature.
            KernelFailed: it raised.
        """


class Target(ABC):
    """A kind of machine, and one architecture of it."""

    name: str

    @property
    @abstractmethod
    def architecture(self) -> str:
        """What it compiles for, such as ``x86-64-v3`` or ``sm_90``."""

    @abstractmethod
    def for_this_machine(self) -> Target:
        """The same kind of target for the very machine that runs this."""

    @abstractmethod
    def ingredients(self) -> Mapping[str, object]:
        """The architecture, as part of the build key."""

    @abstractmethod
    def toolchain(self, own: Sequence[str] = (), language: str = PYTHON) -> Toolchain:
        """What compiles, as part of the build key; imports nothing of it.

        Args:
            own: modules of emberkeep that write the source, beside the target's own.
            language: what the source is written in.
        """

    @abstractmethod
    def vocabulary(self) -> Mapping[str, object]:
        """What generated code may call by name on this target; imports its compiler."""

    @abstractmethod
    def compile(self, source: Source) -> Mapping[str, object]:
        """Blobs by role, and a layout that says how to call them.

        Raises:
            InvalidKernel: it cannot be compiled as it is written.
            TargetUnavailable: there is no compiler for this target.
        """

    @abstractmethod
    def isolated_times(self, source: KernelSource) -> Sequence[FunctionTime]:
        """What compiling each function of a kernel costs by itself; nothing is kept or run."""

    @abstractmethod
    def check(self, artifact: Artifact) -> None:
        """Judge whether this machine can run blobs; nothing of them is loaded.

        Raises:
            Unloadable: it cannot.
            TargetUnavailable: there is no such device here.
        """

    @abstractmethod
    def load(self, artifact: Artifact) -> Runnable:
        """Make blobs callable, without importing a compiler.

        Raises:
            Unloadable: this machine cannot run them.
            TargetUnavailable: there is no such device here.
        """


def compiler_options(
    *,
    fastmath: bool | Collection[str],
    max_registers: int | None,
    straight_vectors: bool,
    xla_results: int,
) -> dict[str, Any]:
    """What the compilers are told, with defaults left out: they are the same kernel."""
    options: dict[str, Any] = {}
    if isinstance(fastmath, bool):
        flags: bool | tuple[str, ...] = fastmath
    else:
        flags = tuple(sorted({fastmath} if isinstance(fastmath, str) else fastmath))
        unknown = set(flags) - FLAGS
        if unknown:
            raise InvalidKernel(
                f"fastmath={sorted(unknown)!r} is not known; expected True, False or any of "
                f"{', '.join(sorted(FLAGS))}"
            )
    if flags:
        options["fastmath"] = flags
    if max_registers is not None:
        options["max_registers"] = int(max_registers)
    if straight_vectors:
        options["straight_vectors"] = True
    if xla_results:
        options["xla_results"] = int(xla_results)
    return options


def require_plain(function: Any) -> types.FunctionType:
    """Refuse what is no plain function with an index."""
    if not isinstance(function, types.FunctionType):
        raise InvalidKernel(
            f"{function!r} is a {type(function).__qualname__}. A kernel is a plain Python function "
            "of an index and arguments; for what numba has compiled there is emberkeep.keep_kernel"
        )
    code = function.__code__
    fancy = code.co_flags & 0x0C or code.co_kwonlyargcount or function.__defaults__
    if fancy or code.co_argcount == 0:
        raise InvalidKernel(
            f"The kernel {function.__name__!r} must take an index and then its arguments by "
            "position: no defaults, no *arguments, no keywords"
        )
    return function


def argument_names(function: types.FunctionType) -> tuple[str, ...]:
    """The names of a kernel's arguments, without the index."""
    code = function.__code__
    return code.co_varnames[1 : code.co_argcount]


def loop_over_indices(source: KernelSource, body: object) -> types.FunctionType:
    """A function (begin, end, …) that runs `body` for the indices in between.

    It is written out, rather than taking ``*arguments``, so that compilers see plain names.
    """
    names = ", ".join(argument_names(source.function))
    text = (
        f"def {kernel_name(source)}(emberkeep_begin, emberkeep_end, {names}):\n"
        "    for emberkeep_index in range(emberkeep_begin, emberkeep_end):\n"
        f"        emberkeep_body(emberkeep_index, {names})\n"
    )
    return function_from(text, kernel_name(source), {"emberkeep_body": body})


def guard_index(source: KernelSource, body: object, cuda: object) -> types.FunctionType:
    """A kernel (count, …) in which each thread of a GPU runs `body` for its own index.

    Args:
        source: the kernel's.
        body: the function of an index, as it is called from a kernel.
        cuda: what gives a thread its number: `numba.cuda`, or its simulator.
    """
    names = ", ".join(argument_names(source.function))
    text = (
        f"def {kernel_name(source)}(emberkeep_count, {names}):\n"
        "    emberkeep_index = emberkeep_cuda.grid(1)\n"
        "    if emberkeep_index < emberkeep_count:\n"
        f"        emberkeep_body(emberkeep_index, {names})\n"
    )
    given = {"emberkeep_body": body, "emberkeep_cuda": cuda}
    return function_from(text, kernel_name(source), given)


def function_from(text: str, entry: str, names: Mapping[str, object]) -> types.FunctionType:
    """The function `entry` of a source text, readable in tracebacks under a telling name."""
    import linecache

    label = f"<emberkeep {entry} {sha256(text.encode()).hexdigest()[:12]}>"
    space: dict[str, Any] = {"__name__": f"emberkeep.generated.{entry}", **names}
    exec(compile(text, label, "exec"), space)  # noqa: S102 - generated by us, from a user's own code
    linecache.cache[label] = (len(text), None, text.splitlines(keepends=True), label)
    return space[entry]


def kernel_name(source: KernelSource) -> str:
    """What the function around a kernel's body is called, in times and tracebacks."""
    name = "".join(character if character.isalnum() else "_" for character in source.name)
    return f"{name}_kernel" if name.isidentifier() else "unnamed_kernel"
