"""``build``: compile the kernels that a Python file declares, for this machine or for others."""

from __future__ import annotations

import os
import sys
import time

from emberkeep.cache import Keep
from emberkeep.cli.command import Command
from emberkeep.cli.session import warn
from emberkeep.errors import EmberkeepError, InvalidKernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from argparse import ArgumentParser
    from collections.abc import Iterator

    from emberkeep.cli.session import Session
    from emberkeep.targets.kernel import Kernel
    from emberkeep.targets.protocol import Target

SOME_FAILED = 1

EXAMPLES = """\
  emberkeep build model.py
  emberkeep build model.py --arch sm_80 --arch sm_90 --cpu x86-64-v3
exit codes: 0 all are kept, 1 some could not be built, 2 wrong usage, 4 the keep cannot be used
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a Python file with @emberkeep.kernel in it")
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


def _build(session: Session) -> int:
    session.writable_directory()  # says at once where nothing can be kept
    options = session.options
    kernels = list(_declared(_load(options.file)))
    if not kernels:
        raise InvalidKernel(
            f"{options.file} declares no kernel: no @emberkeep.kernel in it is a global name"
        )
    keep = Keep(session.root)
    targets = _targets(options.cpu, options.arch)
    results = [
        result
        for kernel in kernels
        for target in targets or [kernel.cpu_target()]
        for result in _build_one(kernel, target, keep)
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


def _build_one(kernel: Kernel, target: Target, keep: Keep) -> Iterator[dict[str, object]]:
    if not kernel.signatures:
        warn(f"{kernel.name} declares no signature and is compiled at its first call")
    for signature in kernel.signatures:
        started = time.perf_counter()
        about: dict[str, object] = {
            "name": kernel.name,
            "signature": signature,
            "target": target.name,
            "architecture": target.architecture,
        }
        try:
            (artifact,) = kernel.build(target, signature=signature, keep=keep)
        except EmberkeepError as problem:
            yield {**about, "kept": False, "result": f"failed: {problem}"}
            continue
        size = sum(map(len, artifact.blobs.values()))
        seconds = time.perf_counter() - started
        how = "was kept" if artifact.hit else f"built in {seconds:.2f} s"
        yield {
            **about,
            "kept": bool(artifact.key),
            "key": artifact.key,
            "size_bytes": size,
            "built_s": None if artifact.hit else seconds,
            "result": f"{how}, {size:,} bytes",
        }


def _declared(module: types.ModuleType) -> Iterator[Kernel]:
    from emberkeep.targets.kernel import Kernel

    seen: set[int] = set()
    for value in vars(module).values():
        if isinstance(value, Kernel) and id(value) not in seen:
            seen.add(id(value))
            yield value


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
