"""The command line: ``emberkeep <command>``. What the commands do is in ``cli/commands``.

Each is run in a process of its own, and one that lists takes hardly longer than Python's start. So
imports within functions stand here for what a run may do without: other commands, and of its own
JSON, progress, hints for what was mistyped, shared places, bundles and compilers.
"""

from __future__ import annotations

import gc
import sys

from emberkeep.cli.streams import OutputProblem, flush_out, given_streams, silence, write_error
from emberkeep.errors import EmberkeepError, InvalidKernel, InvalidSetting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# What has no layer to look at: it would be passed over in silence.
WITHOUT_LAYER = frozenset(
    ["build", "completion", "config", "doctor", "init", "key", "prewarm", "trust", "zero-stats"]
)
USAGE_ERROR = 2
NO_SUCH_ENTRY = 3
STORE_PROBLEM = 4
INTERRUPTED = 130
OFTEN = 100_000  # records between two looks for circles
BROKEN_PIPE = 141  # what a shell reports of a program that SIGPIPE ended


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. The codes are documented in docs/command-line.md."""
    with given_streams():
        return _guarded(sys.argv[1:] if argv is None else argv)


def _guarded(argv: Sequence[str]) -> int:
    try:
        try:
            code = _run(argv)
        except BaseException:
            _flush_for_last()
            raise
        flush_out()
    except BrokenPipeError:
        silence(sys.stdout)
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except (InvalidKernel, InvalidSetting) as problem:
        return _fail(str(problem), USAGE_ERROR)
    except EmberkeepError as problem:
        return _fail(str(problem), getattr(problem, "exit_code", STORE_PROBLEM))
    except OSError as problem:
        return _fail(str(problem), STORE_PROBLEM)
    return code


def _flush_for_last() -> None:
    """What was said before something went wrong; that it cannot be said is no news then."""
    try:
        flush_out()
    except (OSError, OutputProblem):
        silence(sys.stdout)


def _run(argv: Sequence[str]) -> int:
    from emberkeep.cli.parser import build_parser
    from emberkeep.cli.session import Session

    parser = build_parser()
    for word in argv:
        # argparse takes such an option for one without any value, which it then is not.
        if word.startswith("--") and word.endswith("=--"):
            return _fail(f"{word[:-3]} needs a value", USAGE_ERROR)
    try:
        options = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has said what there is to say
        return stop.code if isinstance(stop.code, int) else USAGE_ERROR
    run = getattr(options, "run", None)
    if run is None:
        parser.print_help(sys.stderr)
        return USAGE_ERROR
    if options.layer != "local" and options.command in WITHOUT_LAYER:
        return _fail(
            f"`emberkeep {options.command}` looks at no layer: leave out --layer", USAGE_ERROR
        )
    # Commands make records by the hundred thousand and no circles of them: looking for some, again
    # and again, would take a fifth of the time.
    usual = gc.get_threshold()
    gc.set_threshold(max(OFTEN, usual[0]), *usual[1:])
    try:
        session = Session(options)
        try:
            return run(session)
        finally:
            session.end()
    finally:
        gc.set_threshold(*usual)


def _fail(problem: str, code: int) -> int:
    from emberkeep.cli.text import printable

    write_error(f"emberkeep: {printable(' '.join(problem.split()))}\n")
    return code
