"""One run of the command line: its options, settings, keep, and the way to answer."""

from __future__ import annotations

import sys

from emberkeep import settings as settings_module
from emberkeep.cli.text import printable
from emberkeep.errors import StoreProblem
from emberkeep.light import final
from emberkeep.store.directory import Directory
from emberkeep.trust import Sealer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Mapping

    from emberkeep.settings import Settings

JSON_VERSION = 1


@final
class Session:
    """What a command works with.

    Args:
        options: what was given on the command line.

    Attributes:
        settings: with `--root` in place.
    """

    def __init__(self, options: Namespace) -> None:
        self.options = options
        self.settings: Settings = settings_module.load({"root": options.root})
        self._directory: Directory | None = None

    @property
    def root(self) -> str:
        """The keep's folder.

        Raises:
            StoreProblem: there is none.
        """
        if self.settings.root is None:
            raise StoreProblem(
                "There is no home, so there is no place for a keep. Set EMBERKEEP_DIR, or pass "
                "--root DIR"
            )
        return self.settings.root

    @property
    def directory(self) -> Directory:
        """The keep, for looking at it."""
        if self._directory is None:
            sealer = Sealer(self.settings.config_dir, warn)
            heals = not self.settings.read_only
            self._directory = Directory(self.root, sealer.verify, heals=heals)
        return self._directory

    def writable_directory(self) -> Directory:
        """The keep, for changing it.

        Raises:
            StoreProblem: the settings say that it is only read.
        """
        if self.settings.read_only:
            origin = self.settings.origins["read_only"]
            raise StoreProblem(
                f"{self.root} is only read: read_only is set by {origin}. Unset it to change the "
                "keep"
            )
        return self.directory

    def answer(self, values: Mapping[str, object], lines: Iterable[str]) -> None:
        """Print the answer: values for programs, or lines for people."""
        if self.options.format == "json":
            import json

            document = {"version": JSON_VERSION, "command": self.options.command, **values}
            sys.stdout.write(json.dumps(document, indent=2) + "\n")
            return
        for line in lines:
            sys.stdout.write(printable(line) + "\n")


def warn(text: str) -> None:
    """Tell a person of something that does not end the command."""
    sys.stderr.write(f"emberkeep: {printable(text)}\n")
