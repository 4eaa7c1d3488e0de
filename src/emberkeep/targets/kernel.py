"""`@emberkeep.kernel`: plain Python, compiled once, for CPUs and GPUs."""

from __future__ import annotations

import operator

from emberkeep.errors import InvalidArgument, InvalidKernel
from emberkeep.keep.default import default_keep
from emberkeep.startup_records import final
from emberkeep.targets.arguments import accepts, describe, is_on_device, parse_signature, type_of
from emberkeep.targets.kernel_lookup import fetch, fetch_for_this_machine, renew
from emberkeep.targets.protocol import (
    KernelSource,
    argument_names,
    compiler_options,
    require_plain,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Collection, Iterator, Sequence
    from typing import Any

    from emberkeep.keep.artifact import Artifact
    from emberkeep.keep.keep import Keep
    from emberkeep.keys.watch import Watch
    from emberkeep.targets.arguments import ArgumentType
    from emberkeep.targets.compile_times import FunctionTime
    from emberkeep.targets.declaration import Declared
    from emberkeep.targets.kernel_lookup import Obtained
    from emberkeep.targets.protocol import Target

    Signature = tuple[ArgumentType, ...]


def kernel(  # noqa: PLR0913 - options, each given by its name
    *signatures: str | Callable[..., None],
    name: str | None = None,
    fastmath: bool | Collection[str] = False,
    max_registers: int | None = None,
    straight_vectors: bool = False,
    xla_results: int = 0,
    cpu: str = "host",
    threads: int | None = None,
    keep: Keep | None = None,
    own: Sequence[str] = (),
) -> Any:
    """Make a function of an index a kernel, which runs for a whole range of them.

    The function is plain Python; its first parameter is the index, the others are arrays and
    numbers. It writes its results into arrays, and may call other plain functions. Called with
    ``count=n`` it runs for all indices below n: on the CPU where its arrays are NumPy's, on the GPU
    where they are a device's. It is compiled when it is first needed, once, ever; and again where
    anything that it reaches was redefined or changed since, which each call asks.

    Args:
        signatures: types of the arguments, without the index, such as
            ``"float64[:, ::1], float64, int64"``. Without any, types are taken from each call.
        name: what it is called in the keep; the function's own name by default.
        fastmath: True, or which liberties with arithmetic are allowed: any of nnan, ninf, nsz,
            arcp, contract, afn, reassoc. ``afn`` also allows the vector forms of exp, log, sin, cos
            and pow, which are good to 4 units in the last place. On CUDA any of them allow all.
        max_registers: how many registers a thread on a GPU may use.
        straight_vectors: whether straight code becomes vector instructions too, on the CPU, as
            loops do: where a kernel is written for a few lanes side by side.
        xla_results: how many of the last arguments are results, where XLA is to call it: see
            `emberkeep.xla.Handler`.
        cpu: ``"host"``, or the level to compile for: x86-64-v2, x86-64-v3, x86-64-v4.
        threads: how many a call on the CPU uses; by default as many as there are processors.
        keep: where compiled kernels are kept; by default the user's own.
        own: for emberkeep's own kernels: the modules that they are written in; see `KernelSource`.

    Raises:
        InvalidKernel: the function, a signature or an option is not what it must be.
    """

    def decorate(function: Callable[..., None]) -> Kernel:
        return Kernel(
            function,
            [text for text in signatures if isinstance(text, str)],
            name=name,
            options=compiler_options(
                fastmath=fastmath,
                max_registers=max_registers,
                straight_vectors=straight_vectors,
                xla_results=xla_results,
            ),
            cpu=cpu,
            threads=threads,
            keep=keep,
            own=own,
        )

    if len(signatures) == 1 and not isinstance(signatures[0], str):
        return decorate(signatures[0])  # written without brackets
    for given in signatures:
        if not isinstance(given, str):
            raise InvalidKernel(
                f"A signature is text such as 'float64[::1], int64'; {given!r} was given"
            )
    return decorate


@final
class Kernel:
    """A function that is compiled for each signature and target when it is first needed.

    Attributes:
        function: the Python function, which can be called as such: ``kernel.function(i, …)``.
        name: what it is called in the keep.
        signatures: the declared ones, as text.
        own: modules of emberkeep that it is written in; empty for users' kernels.
    """

    def __init__(  # noqa: PLR0913 - what `kernel` is given
        self,
        function: Any,
        signatures: Sequence[str],
        *,
        name: str | None,
        options: dict[str, Any],
        cpu: str,
        threads: int | None,
        keep: Keep | None,
        own: Sequence[str] = (),
    ) -> None:
        self.own = tuple(own)
        self.function: types.FunctionType = require_plain(function)
        self.name = name or function.__name__
        self.arguments = argument_names(function)
        self._declared = [self._parse(text) for text in signatures]
        self._options = options
        self._cpu, self._threads = cpu, threads
        self._keep = keep
        self._loaded: dict[tuple[Signature, str], Obtained] = {}
        # On the CPU, where one signature is declared: in one read, for other threads.
        self._only: tuple[Watch, Any] | None = None
        self.__doc__ = function.__doc__
        self.__name__ = self.name
        self.__module__ = function.__module__
        self.__qualname__ = function.__qualname__
        self.__wrapped__ = function

    @property
    def signatures(self) -> tuple[str, ...]:
        """The declared signatures."""
        return tuple(map(describe, self._declared))

    def __repr__(self) -> str:
        return f"<kernel {self.name}({', '.join(self.arguments)})>"

    def __copy__(self) -> Kernel:
        return self

    def __deepcopy__(self, _: object) -> Kernel:
        return self

    def __reduce__(self) -> str | tuple[Any, ...]:
        """By name, as functions are: where it stands in place of its function, or beside it."""
        from emberkeep.targets.references import is_found, require_reference

        if is_found(self, self.__qualname__):
            return self.__qualname__
        require_reference(self.function, f"The kernel {self.name}")
        named = {"name": self.name, "options": self._options, "keep": self._keep}
        named |= {"cpu": self._cpu, "threads": self._threads, "own": self.own}
        return _kernel, (self.function, self.signatures, named)

    def _parse(self, text: str) -> Signature:
        parsed = parse_signature(text)
        if len(parsed) != len(self.arguments):
            raise InvalidKernel(
                f"The signature {text!r} has {len(parsed)} types, and the kernel {self.name!r} "
                f"takes {len(self.arguments)} arguments after the index: "
                f"{', '.join(self.arguments)}"
            )
        return parsed

    def __call__(
        self,
        *arguments: Any,
        count: int,
        stream: Any = None,
        block: int = 128,
        unchecked: bool = False,
    ) -> None:
        """Run for every index below `count`.

        Args:
            arguments: NumPy arrays and numbers; or arrays on a device and numbers.
            count: how many indices.
            stream: on a GPU, the stream to run in; the call returns before it has run.
            block: on a GPU, how many threads a block has.
            unchecked: whether arrays that the kernel indexes by its index (``x[i]``, ``x[i, j]``)
                may be shorter than `count`: what lies behind them is read and written then.

        Raises:
            InvalidArgument: an argument does not fit, or is too short.
            InvalidKernel: the kernel cannot be compiled as it is written.
            KernelFailed: it raised, on the CPU.
            TargetUnavailable: there is no GPU, or nothing to compile with.
        """
        if type(count) is not int or count < 0:
            count = self._counted(count)
        only = self._only
        if only is not None and only[0].unchanged():
            try:
                if unchecked:
                    only[1](count, arguments, unchecked=True)
                else:
                    only[1](count, arguments)
            except InvalidArgument:
                if not is_on_device(arguments):
                    raise
            else:
                return
        if is_on_device(arguments):
            signature = self._choose(arguments)
            launched: Any = self._obtain(signature, "cuda", _this_gpu).runnable
            launched.launch(count, arguments, stream, block, unchecked=unchecked)
        else:
            signature = self._choose(arguments)
            obtained = self._obtain(signature, "cpu", self.cpu_target)
            if len(self._declared) == 1:
                self._only = obtained.keyed.watch, obtained.runnable
            obtained.runnable(count, arguments, unchecked=unchecked)

    def _counted(self, count: Any) -> int:
        """A number of indices, as Python's own integer."""
        try:
            whole = operator.index(count)
        except TypeError:
            whole = -1
        if whole < 0:
            raise InvalidArgument(
                f"The kernel {self.name!r} runs for a number of indices, and count={count!r} was "
                "passed. Pass an integer from 0 on"
            )
        return whole

    def bind(self, *arguments: Any, count: int, unchecked: bool = False) -> Callable[[], None]:
        """A call with these very NumPy arrays, to repeat: what they hold is looked at each time.

        What was redefined since is not: bind again.

        Raises:
            InvalidArgument: an argument does not fit.
        """
        count = self._counted(count)
        if is_on_device(arguments):
            raise InvalidArgument(
                f"The kernel {self.name!r} can be bound to NumPy's arrays alone; launches on a GPU "
                "cost more than packing arguments"
            )
        runnable: Any = self._obtain(self._choose(arguments), "cpu", self.cpu_target).runnable
        return runnable.bind(count, arguments, unchecked=unchecked)

    def _obtain(self, signature: Signature, name: str, target: Callable[[], Target]) -> Obtained:
        """The kernel as it is now: loaded already, or kept, or compiled."""
        known = (signature, name)
        loaded = self._loaded.get(known)
        if loaded is None or not loaded.keyed.watch.unchanged():
            keep = self._keep or default_keep()
            loaded = renew(keep, target(), self._source(signature), loaded)
            self._loaded[known] = loaded
        return loaded

    def build(
        self,
        target: Target | None = None,
        *,
        signature: str | None = None,
        keep: Keep | None = None,
    ) -> tuple[Artifact, ...]:
        """Compile and keep, without loading or running: on any machine, for any other.

        Args:
            target: `CpuTarget` or `CudaTarget`; this machine's processor by default.
            signature: one to build; all declared ones by default.
            keep: where, unless the kernel was given a keep of its own.

        Raises:
            InvalidKernel: it cannot be compiled, or it has no signature.
        """
        wanted = self._wanted(signature)
        keep = self._keep or keep or default_keep()
        target = target or self.cpu_target()
        return tuple(fetch(keep, target, self._source(types)) for types in wanted)

    def __emberkeep_declares__(self, keep: Keep, tell: Callable[[str], None]) -> Iterator[Declared]:
        from emberkeep.targets.declaration import Declared, Product, product_of

        if not self.signatures:
            tell(f"{self.name} declares no signature and is compiled at its first call")
        for signature in self.signatures:

            def build(target: Target | None, signature: str = signature) -> Product:
                return product_of(self.build(target, signature=signature, keep=keep)[0])

            yield Declared(self.name, signature, self.cpu_target, build)

    def obtained(self, keep: Keep | None = None) -> Artifact:
        """The compiled kernel for this machine, for who calls it by another entry.

        Args:
            keep: where it is kept, unless the kernel was given a keep of its own.

        Raises:
            InvalidKernel: it cannot be compiled, or it has no signature.
        """
        source, keep = self._source(self._wanted(None)[0]), self._keep or keep or default_keep()
        return fetch_for_this_machine(keep, self.cpu_target(), source)

    def compile_times(
        self, target: Target | None = None, *, signature: str | None = None, isolate: bool = False
    ) -> tuple[FunctionTime, ...]:
        """What compiling costs, function by function. It is compiled for this, and not kept.

        In daily work a `TimeLogger` tells the same of what is compiled anyway, at no cost.

        Args:
            target: what to compile for; this machine's processor by default.
            signature: for which; the first declared one by default.
            isolate: compile each function alone, with what it calls being there already: what a
                function costs by itself, whatever else is compiled around it.

        Raises:
            InvalidKernel: it cannot be compiled, or it has no signature.
        """
        from emberkeep.targets.compile_times import function_times
        from emberkeep.telemetry import TimeLogger

        target = target or self.cpu_target()
        source = self._source(self._wanted(signature)[0])
        if isolate:
            return tuple(target.isolated_times(source))
        # None records nothing, and 'default' would print: the records are all that is wanted.
        logger = TimeLogger("default")
        logger.install()
        try:
            target.compile(source)
        finally:
            logger.remove()
        return function_times(logger.records)

    def _wanted(self, signature: str | None) -> Sequence[Signature]:
        wanted = self._declared if signature is None else [self._parse(signature)]
        if not wanted:
            raise InvalidKernel(
                f"The kernel {self.name!r} declares no signature, so there is nothing to compile "
                "ahead of its first call. Declare it: @emberkeep.kernel('float64[::1], int64')"
            )
        return wanted

    def cpu_target(self) -> Target:
        """What it is compiled for where NumPy's arrays are passed."""
        from emberkeep.targets.cpu.target import CpuTarget

        return CpuTarget(self._cpu, self._threads)

    def _source(self, signature: Signature) -> KernelSource:
        return KernelSource(self.name, self.function, signature, self._options, own=self.own)

    def _choose(self, arguments: Sequence[Any]) -> Signature:
        """The declared signature that fits best; without any, the arguments' own types."""
        if len(self._declared) == 1:
            return self._declared[0]
        if len(arguments) != len(self.arguments):
            raise InvalidArgument(
                f"{len(arguments)} arguments were passed to the kernel {self.name!r}, which takes "
                f"{len(self.arguments)}: {', '.join(self.arguments)}"
            )
        given = tuple(map(type_of, arguments))
        if not self._declared or given in self._declared:
            return given
        for declared in self._declared:
            if accepts(declared, given):
                return declared
        raise InvalidArgument(
            f"The kernel {self.name!r} was called with ({describe(given)}) and is declared for "
            f"{' and '.join(f'({text})' for text in self.signatures)}. Convert the arguments, or "
            "declare this signature too"
        )


def _this_gpu() -> Target:
    from emberkeep.targets.cuda.target import CudaTarget

    return CudaTarget.of_this_machine()


def _kernel(function: Any, signatures: Sequence[str], named: dict[str, Any]) -> Kernel:
    return Kernel(function, signatures, **named)
