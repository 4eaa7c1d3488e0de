"""What the manifests of a place say, remembered from one look to the next.

A listing tells names, sizes and times. All else stands in the manifests, and reading fifty thousand
of them takes seconds. So what they said is written down in the user's own keep, in
``notes/<digest of the place>``, each with the version of the manifest that it was read from.

It is a hint. A manifest of another version is read again; where the notes are damaged, or not
sealed by this user, all of them are. Nothing is loaded by it, and whatever is loaded is checked.
"""

from __future__ import annotations

from emberkeep.errors import StoreProblem
from emberkeep.startup_records import final, parse_json, sha256
from emberkeep.store.blobs import blobs_in, named_blobs
from emberkeep.store.layout import entry_name, is_manifest_name
from emberkeep.store.manifest_writing import canonical, read_ingredients
from emberkeep.store.object_store import Folder
from emberkeep.store.protocol import UNREADABLE, Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TypeVar

    from emberkeep.store.protocol import Entry, LaidOut, Notebook

    T = TypeVar("T")

OK = "ok"
SIZE_LIMIT = 1 << 30
AT_ONCE = 64  # names that are listed in less time than a single call may take
FEW, PERCENT = 64, 0.01  # of the entries: so many are read again before all is written again
GENERATED = "generated"
OWN_MODULES = "emberkeep."
DOMAIN = b"emberkeep notes 1\n"


def in_no_hurry() -> None:
    """For places that are waited for as long as it takes."""


@final
class Summary:
    """What a manifest says; written out, since a look at a keep makes thousands of them.

    Args:
        state: ``ok`` where somebody who counts vouches for it, else the reason why it is no use.
        name: of its key; empty where it is not known.
        cost_s: how long the build took.
        own: whether emberkeep compiled it for itself.
        sizes: of its blobs, as text.
        digests: of its blobs, as text; None where nobody can tell which they are.
    """

    __slots__ = ("_digests", "_sizes", "cost_s", "name", "own", "state")

    def __init__(
        self,
        state: str,
        name: str = "",
        cost_s: float = 0.0,
        own: str = "",
        sizes: str = "",
        digests: str | None = None,
    ) -> None:
        self.state = state
        self.name = name
        self.cost_s = cost_s
        self.own = own != ""
        self._sizes = sizes
        self._digests = digests

    @property
    def digests(self) -> list[str] | None:
        """Of the blobs it names; None where nobody can tell."""
        return None if self._digests is None else self._digests.split()

    @property
    def sizes(self) -> list[int]:
        """Of these, where somebody vouches for it."""
        return list(map(int, self._sizes.split()))

    @property
    def contents(self) -> tuple[str, str]:
        """Sizes and digests of its blobs, as text."""
        return self._sizes, self._digests or ""

    def line(self, entry: Entry) -> str:
        """All of it as a line of text."""
        name = "" if self.name == entry.name else canonical(self.name)
        own = OWN_MODULES if self.own else ""
        return f"{self.cost_s!r}\t{name}\t{own}\t{self._sizes}\t{self._digests}"


def _parse(entry: Entry, line: str) -> Summary:
    cost, name, own, sizes, digests = line.split("\t")
    named = parse_json(name) if name else entry.name
    return Summary(OK, named, float(cost), own, sizes, digests)


def survey(
    directory: LaidOut,
    entries: Sequence[Entry] | None = None,
    renew: Callable[[], None] = in_no_hurry,
) -> list[tuple[Entry, Summary]]:
    """Entries with what their manifests say; those that vanish meanwhile are left out.

    Args:
        directory: the keep.
        entries: all of its entries, where they were listed already.
        renew: called now and then: what is asked of the place is many calls, each in its time.

    Raises:
        StoreProblem: the layout is unknown, or something cannot be listed.
    """
    known = list(in_time(directory.entries(), renew)) if entries is None else entries
    noted = _read_notes(directory)
    found: list[tuple[Entry, Summary]] = []
    read = 0
    for entry in known:
        version, tab, rest = noted.get(entry_name(entry), "").partition("\t")
        if tab and version == entry.version:
            found.append((entry, _parse(entry, rest)))
            continue
        renew()
        summary = summarise(directory, entry)
        if summary is not None:
            found.append((entry, summary))
            read += summary.state == OK
    if read > max(FEW, PERCENT * len(known)) or len(noted) > 2 * len(found) + FEW:
        _write_notes(directory, found)
    return found


def holdings(directory: LaidOut, renew: Callable[[], None] = in_no_hurry) -> frozenset[str]:
    """The names of all manifests that are vouched for and have contents of the right sizes.

    Args:
        directory: the keep.
        renew: called now and then: what is asked of the place is many calls, each in its time.

    Raises:
        StoreProblem: the layout is unknown, or something cannot be listed.
    """
    said = _noted(directory, renew)
    if said is None:
        said = [
            (entry_name(entry), *summary.contents)
            for entry, summary in survey(directory, None, renew)
            if summary.state == OK
        ]
    blobs = in_time(blobs_in(directory.objects), renew)
    found = {digest: str(facts.size_bytes) for digest, facts in blobs}
    found[""] = ""  # of no blobs
    return frozenset(
        [
            name
            for name, sizes, digests in said
            if sizes == (found.get(digests) if " " not in digests else _sizes(found, digests))
        ]
    )


def _sizes(found: Mapping[str, str], digests: str) -> str:
    return " ".join([found.get(digest, "-") for digest in digests.split()])


def in_time(found: Iterable[T], renew: Callable[[], None]) -> Iterator[T]:
    """What is listed, with a call now and then."""
    for index, each in enumerate(found):
        if not index % AT_ONCE:
            renew()
        yield each


def _noted(directory: LaidOut, renew: Callable[[], None]) -> list[tuple[str, str, str]] | None:
    """All manifests with the sizes and digests of their blobs; None where one is not noted.

    No record is made of any: a push that finds all there is a listing, and not much else.
    """
    noted = _read_notes(directory)
    said: list[tuple[str, str, str]] = []
    for name, facts in in_time(_in_kinds(directory, directory.objects.list), renew):
        if is_manifest_name(name):
            line = noted.get(name, "")
            if not line.startswith(f"{facts.version}\t"):
                return None
            _, sizes, digests = line.rsplit("\t", 2)
            said.append((name, sizes, digests))
    return said


def manifest_names(directory: LaidOut) -> Iterator[str]:
    """The names of all manifests, by listing names alone.

    Raises:
        StoreProblem: the layout is unknown, or something cannot be listed.
    """
    return filter(is_manifest_name, _in_kinds(directory, directory.objects.names))


def _in_kinds(directory: LaidOut, listing: Callable[[str], Iterator[T]]) -> Iterator[T]:
    """What a listing gives of the folders of all kinds."""
    directory.require_layout()
    try:
        for kind in directory.kinds():
            yield from listing(f"{kind}/")
    except OSError as problem:
        raise StoreProblem(f"{directory.root} cannot be listed: {problem}") from problem


def summarise(directory: LaidOut, entry: Entry) -> Summary | None:
    """What a manifest says, read now; None where there is none any more."""
    manifest, document = directory.read_entry(entry)
    if not isinstance(manifest, Miss):
        own = OWN_MODULES if is_own(entry.kind, document) else ""
        sizes = " ".join(str(blob.size_bytes) for blob in manifest.blobs)
        digests = " ".join(blob.digest for blob in manifest.blobs)
        return Summary(OK, manifest.key.name, manifest.cost_s, own, sizes, digests)
    if manifest.reason == UNREADABLE:
        return Summary(UNREADABLE) if directory.has_object(entry_name(entry)) else None
    named = named_blobs(document)
    return Summary(manifest.reason, digests=None if named is None else " ".join(named))


def is_own(kind: str, document: bytes) -> bool:
    """Whether emberkeep compiled this for itself: the key of such says where it is written."""
    if kind != GENERATED or OWN_MODULES.encode() not in document:
        return False  # as most are not, and reading ingredients takes as long as all the rest
    try:
        plan = read_ingredients(document).get("plan")
    except StoreProblem:  # whoever vouches for it may have written anything there
        return False
    function = None if plan is None else dict(plan.children).get("function")
    return (
        function is not None
        and not function.children
        and function.text.strip("'\"").startswith(OWN_MODULES)
        and " as " in function.text
    )


# Notes ------------------------------------------------------------------------------------------


def _name(directory: LaidOut) -> str:
    return f"notes/{sha256(directory.root.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


def _standing(directory: LaidOut) -> str:
    """All that judgements depend on, as text."""
    return sha256(repr(directory.standing()).encode()).hexdigest()


def _read_notes(directory: LaidOut) -> Mapping[str, str]:
    """What is noted of a place, by the names of manifests; nothing where it cannot be used.

    The file is a line with what judgements depended on, the names, then as many lines with a
    version and what was said, and the seal: split faster than any other form is parsed.
    """
    notebook = directory.notebook
    if notebook is None:
        return {}
    try:
        content, _ = Folder(notebook.root).read(_name(directory), SIZE_LIMIT)
        body, _, seal = content.rpartition(b"\n")
        if seal.decode("ascii") != _seal(notebook, body):
            return {}
    except (OSError, ValueError):  # not there, or damaged: all is read
        return {}
    standing, *lines = body.decode("utf-8", "surrogateescape").split("\n")
    half = len(lines) // 2
    return (
        dict(zip(lines[:half], lines[half:], strict=False))
        if standing == _standing(directory)
        else {}
    )


def _write_notes(directory: LaidOut, found: list[tuple[Entry, Summary]]) -> None:
    notebook = directory.notebook
    if notebook is None:
        return
    # What is no use may be mended by words that stand elsewhere: it is not noted.
    good = [each for each in found if each[1].state == OK and each[0].version]
    names = [entry_name(entry) for entry, _ in good]
    if any("\n" in name for name in names):
        return  # somebody's joke: no key of ours is a folder of that name
    lines = [
        _standing(directory),
        *names,
        *(f"{entry.version}\t{said.line(entry)}" for entry, said in good),
    ]
    body = "\n".join(lines).encode("utf-8", "surrogateescape")
    place = Folder(notebook.root)
    try:
        place.facts("format")  # where nothing was ever kept, nothing is noted
        place.write(_name(directory), b"%b\n%b" % (body, _seal(notebook, body).encode()))
    except OSError:  # the next look takes as long as this one
        return


def _seal(notebook: Notebook, body: bytes) -> str:
    return notebook.seal(sha256(DOMAIN + body).hexdigest())
