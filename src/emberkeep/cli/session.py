"""One run of the command line: its options, settings, keep, and the way to answer."""

from __future__ import annotations

from emberkeep import settings as settings_module
from emberkeep.cli.streams import write_error, write_out
from emberkeep.cli.text import as_json, printable
from emberkeep.errors import InvalidSetting, StoreProblem
from emberkeep.settings import Place
from emberkeep.startup_records import final
from emberkeep.store.directory import Directory
from emberkeep.store.protocol import Notebook
from emberkeep.trust.judge import judge_of
from emberkeep.trust.seals import OwnKeep, Sealer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Mapping

    from emberkeep.settings import Settings
    from emberkeep.sharing.folder import SharedFolder
    from emberkeep.trust.judge import Judge

JSON_VERSION = 1


@final
class Session:
    """What a command works with.

    Args:
        options: what was given on the command line.

    Attributes:
        settings: with `--root` in place.
        sealer: the user's own.
        place: the shared place that is looked at; None for the user's own keep.
    """

    def __init__(self, options: Namespace) -> None:
        self.options = options
        self.settings: Settings = settings_module.load({"root": options.root})
        self.sealer = Sealer(self.settings.config_dir, warn)
        self.place = _find_place(self.settings, options.layer)
        self._directory: Directory | None = None
        self._shared: SharedFolder | None = None
        self._judged_by: Judge | None = None

    @property
    def root(self) -> str:
        """The folder of the layer that is looked at: the user's own keep, or a shared place.

        Raises:
            StoreProblem: there is none.
        """
        return self.own_root if self.place is None else self.place.path

    @property
    def own_root(self) -> str:
        """The folder of the user's own keep.

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
        """The layer, for looking at it."""
        if self._directory is None:
            if self.place is None:
                self._directory = self.own_directory()
            else:
                self._shared = self.open_shared(self.place)
                self._shared.require_keep()
                self._directory = self._shared.directory
        return self._directory

    def end(self) -> None:
        """Tell and write down what was found in a shared place, however the command went."""
        if self._shared is not None:
            self._shared.settle()

    def own_directory(self) -> Directory:
        """The user's own keep."""
        return self.directory_at(self.own_root, self._notebook)

    def directory_at(self, root: str, notebook: Notebook | None = None) -> Directory:
        """A keep that this user vouches for, wherever it lies."""
        own = OwnKeep(self.sealer, self.settings.config_dir, self._judge)
        heals = not self.settings.read_only
        return Directory(
            root,
            own.verify,
            endorse=own.endorse,
            heals=heals,
            standing=own.standing,
            notebook=notebook,
        )

    @property
    def _notebook(self) -> Notebook | None:
        """Where to note what manifests say, of any place; nowhere where nothing may be written."""
        if self.settings.read_only or self.settings.root is None:
            return None
        return Notebook(self.settings.root, self.sealer.seal)

    def open_shared(self, place: Place) -> SharedFolder:
        """A shared place."""
        from emberkeep.sharing.folder import open_place

        return open_place(place, self._judge(), self.sealer, warn, notebook=self._notebook)

    def _judge(self) -> Judge:
        """One for all places: what it has judged of one need not be judged again for another."""
        if self._judged_by is None:
            self._judged_by = judge_of(self.settings, warn)
        return self._judged_by

    def writable_directory(self) -> Directory:
        """The layer, for changing it.

        Raises:
            StoreProblem: the settings say that it is only read.
        """
        if self.place is not None and self.place.read_only:
            raise StoreProblem(
                f"{self.root} is only read: the setting 'shared' says so, by "
                f"{self.settings.origins['shared']}"
            )
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
            document = {"version": JSON_VERSION, "command": self.options.command, **values}
            write_out(as_json(document) + "\n")
            return
        for line in lines:
            write_out(printable(line) + "\n")


def _find_place(settings: Settings, layer: str) -> Place | None:
    """The shared place that ``--layer`` means; None for the user's own keep.

    Raises:
        InvalidSetting: none is configured.
    """
    if layer == "local":
        return None
    if layer == "shared":
        if settings.shared:
            return settings.shared[0]
        raise InvalidSetting(
            "There is no shared place. Set EMBERKEEP_SHARED, or 'shared' in the config file, to a "
            "folder, or name the folder: --layer DIR"
        )
    try:
        path = settings_module.parse_folder(layer)
    except InvalidSetting:
        raise  # the address of something else
    except ValueError as problem:
        raise InvalidSetting(
            f"--layer {layer!r} is no folder, and not local or shared"
        ) from problem
    return next((place for place in settings.shared if place.path == path), Place(path))


def warn(text: str) -> None:
    """Tell a person of something that does not end the command."""
    write_error(f"emberkeep: {printable(text)}\n")
