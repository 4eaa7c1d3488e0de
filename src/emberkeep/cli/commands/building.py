"""``build``: compile what a Python file declares, for this machine or for others."""

from __future__ import annotations

import os
import sys
import time

from emberkeep.cache import Keep
from emberkeep.cli.command import Command
from emberkeep.cli.session import warn
from emberkeep.errors import EmberkeepError, InvalidKernel
from emberkeep.light import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from argparse import ArgumentParser
    from collections.abc import Callable, Iterator

    from emberkeep.cache import Artifact
    from emberkeep.cli.session import Session
    from emberkeep.ode.solver import Solver
    from emberkeep.targets.kernel import Kernel
    from emberkeep.targets.protocol import Target

SOME_FAILED = 1

EXAMPLES = """\
  emberkeep build model.py
  emberkeep build model.py --arch sm_80 --arch sm_90 --cpu x86-64-v3
exit codes: 0 all are kept, 1 some could not be built, 2 wrong usage, 4 the keep cannot be used
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a Python file with kernels or solvers in it")
    parser.add_argument(
        "--arch",
        action="append",
        default=[],
        metavar="sm_XY",
        help="a GPU architecture; may be given several times; needs no GPU",
    )
    parser.add_argument(
        "--cpu",
        action="append",
        default=[],
        metavar="LEVEL",
        help="host, x86-64, x86-64-v2, -v3 or -v4; may be given several times",
    )


@final
@frozen
class _Declared:
    """Something that a file declares and that can be compiled ahead.

    Attributes:
        name: what it is called in the keep.
        signature: which form of it: types of arguments, or outputs of a solver.
        own_target: makes what it runs on where nothing else is said.
        build: compiles it for a target.
    """

    name: str
    signature: str
    own_target: Callable[[], Target]
    build: Callable[[Target], Artifact]


def _build(session: Session) -> int:
    session.writable_directory()  # says at once where nothing can be kept
    options = session.options
    keep = Keep(session.root)
    targets = _targets(options.cpu, options.arch)
    declared = list(_declared(_load(options.file), keep))
    if not declared:
        raise InvalidKernel(
            f"{options.file} declares nothing to compile: no @emberkeep.kernel with a signature "
            "and no emberkeep.ode.Solver in it is a global name"
        )
    results = [
        _build_one(item, target) for item in declared for target in targets or [item.own_target()]
    ]
    lines = [
        f"{result['name']}({result['signature']}) for {result['architecture']}: {result['result']}"
        for result in results
    ]
    session.answer({"kernels": results}, lines)
    return SOME_FAILED if any(not result["kept"] for result in results) else 0


def _targets(levels: list[str], architectures: list[str]) -> list[Target]:
    from emberkeep.targets.cpu.target import CpuTarget

    targets: list[Target] = [CpuTarget(level) for level in levels]
    if architectures:
        from emberkeep.targets.cuda.target import CudaTarget

        targets += [CudaTarget(architecture) for architecture in architectures]
    return targets


def _build_one(item: _Declared, target: Target) -> dict[str, object]:
    started = time.perf_counter()
    about: dict[str, object] = {
        "name": item.name,
        "signature": item.signature,
        "target": target.name,
        "architecture": target.architecture,
    }
    try:
        artifact = item.build(target)
    except EmberkeepError as problem:
        return {**about, "kept": False, "result": f"failed: {problem}"}
    size = sum(map(len, artifact.blobs.values()))
    seconds = time.perf_counter() - started
    how = "was kept" if artifact.hit else f"built in {seconds:.2f} s"
    return {
        **about,
        "kept": bool(artifact.key),
        "key": artifact.key,
        "size_bytes": size,
        "built_s": None if artifact.hit else seconds,
        "result": f"{how}, {size:,} bytes",
    }


def _declared(module: types.ModuleType, keep: Keep) -> Iterator[_Declared]:
    """What is a global name of the file, once each."""
    from emberkeep.ode.solver import Solver
    from emberkeep.targets.kernel import Kernel

    for value in {id(value): value for value in vars(module).values()}.values():
        if isinstance(value, Kernel):
            yield from _of_kernel(value, keep)
        elif isinstance(value, Solver):
            yield from _of_solver(value, keep)


def _of_kernel(kernel: Kernel, keep: Keep) -> Iterator[_Declared]:
    if not kernel.signatures:
        warn(f"{kernel.name} declares no signature and is compiled at its first call")
    for signature in kernel.signatures:

        def build(target: Target, signature: str = signature) -> Artifact:
            return kernel.build(target, signature=signature, keep=keep)[0]

        yield _Declared(kernel.name, signature, kernel.cpu_target, build)


def _of_solver(solver: Solver, keep: Keep) -> Iterator[_Declared]:
    from emberkeep.ode.plan import OUTPUTS

    for output in OUTPUTS:

        def build(target: Target, output: str = output) -> Artifact:
            return solver.build([output], target=target, keep=keep)

        yield _Declared(solver.system.name, output, lambda: solver.target, build)


def _load(path: str) -> types.ModuleType:
    """Run a Python file as a module, with its folder first on the path, as Python itself does."""
    from importlib.util import module_from_spec, spec_from_file_location

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
        spec.loader.exec_module(module)
    except Exception as problem:
        raise InvalidKernel(
            f"{path} cannot be run: {type(problem).__name__}: {problem}. Everything at its top "
            "level is executed; put what runs the model under if __name__ == '__main__':"
        ) from problem
    return module


COMMANDS = {"build": Command(_configure, _build, EXAMPLES)}
