"""What `doctor` looks at where places are shared: whether they are there, and who is believed."""

from __future__ import annotations

import os
import time

from emberkeep.cli.health import BAD, OK, WARN, Check
from emberkeep.cli.text import duration
from emberkeep.errors import StoreProblem
from emberkeep.sharing.folder import label_of
from emberkeep.sharing.outage import Outages
from emberkeep.trust.judge import judge_of
from emberkeep.trust.signatures import own_keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.cli.session import Session
    from emberkeep.settings import Place
    from emberkeep.trust.trust_list import Trust

SLOW_S = 0.5
SOON_S = 14 * 86_400.0


def check_sharing(session: Session) -> Iterator[Check]:
    """Each shared place, the key to sign with, and whose keys are trusted."""
    for place in session.settings.shared:
        check = _check_place(session, place)
        yield check
        yield from _check_outage(session, place, is_there=check.state != BAD)
    if any(not place.read_only for place in session.settings.shared):
        yield _check_key(session)
    yield _check_trust(session)


def _check_place(session: Session, place: Place) -> Check:
    name = f"shared {place.path}"
    started = time.perf_counter()
    shared = session.open_shared(place)
    try:
        count = sum(1 for _ in shared.entries())
    except StoreProblem as problem:
        return Check(name, BAD, str(problem), "Mount it, make it, or take it out of 'shared'.")
    took = time.perf_counter() - started
    folder = shared.directory.folder
    may_write = folder is None or os.access(folder.root, os.W_OK | os.X_OK)
    if not place.read_only and not may_write:
        remedy = "Have its permissions changed, or add ?read_only=true to the place."
        return Check(name, WARN, "it cannot be written, so nothing is published there", remedy)
    detail = f"{count} entries, listed in {duration(took)}, policy {place.policy}"
    if took > SLOW_S * max(1, count / 1000):
        return Check(name, WARN, detail, "It answers slowly: is it the right one to share by?")
    return Check(name, OK, detail)


def _check_outage(session: Session, place: Place, *, is_there: bool) -> Iterator[Check]:
    """Whether processes leave the place alone, because calls of others hung in it."""
    root = session.settings.root
    if root is None:
        return
    name = f"outage of {place.path}"
    outages = Outages(root, label_of(place))
    found = outages.known()
    if found is None:
        return
    told = (
        f"{found.failures} calls in a row hung, the last {duration(found.age_s)} ago: "
        f"{found.problem}"
    )
    if is_there and not session.settings.read_only and outages.forget():
        yield Check(name, OK, f"{told}. It answers now, and that is forgotten")
        return
    remedy = f"Processes ask again after a minute; to have it asked at once, remove {found.path}"
    yield Check(name, WARN, told, remedy)


def _check_key(session: Session) -> Check:
    problems: list[str] = []
    try:
        key = judge_of(session.settings, problems.append).own.to_sign()[0]
    except StoreProblem as problem:
        return Check("signing key", WARN, str(problem), "Run: emberkeep key generate")
    return Check("signing key", OK, f"{key.name}: {key.public}")


def _check_trust(session: Session) -> Check:
    problems: list[str] = []
    trust = judge_of(session.settings, problems.append).trust.current()
    if problems:
        return Check("trust", BAD, problems[0], "See `emberkeep trust list`.")
    now = time.time()
    over = [key.name for key in trust.keys.values() if key.expires and key.expires < now]
    soon = [key.name for key in trust.keys.values() if key.expires and key.expires < now + SOON_S]
    detail = f"{len(trust.keys)} keys of others"
    if over or soon:
        what = f"expired: {', '.join(over)}" if over else f"expiring soon: {', '.join(soon)}"
        return Check("trust", WARN, f"{detail}; {what}", "Renew by `emberkeep trust add`.")
    for namespace, number in trust.needed.items():
        people = _people(session, trust, namespace)
        if people < number:
            what = "everything" if namespace == "*" else namespace
            few = f"{number} people must have signed {what}, and only {people} of them are trusted"
            remedy = (
                "Nothing of others is used: `emberkeep trust add`, or `emberkeep trust require`."
            )
            return Check("trust", WARN, few, remedy)
    return Check("trust", OK, detail)


def _people(session: Session, trust: Trust, namespace: str) -> int:
    """How many there are who may sign something of a namespace, the user among them."""
    kind = namespace.partition("/")[0]
    names = {
        key.name
        for key in trust.keys.values()
        if not key.namespaces
        or "*" in (kind, *key.namespaces)
        or any(own.partition("/")[0] == kind for own in key.namespaces)
    }
    keys = own_keys(session.settings.config_dir)
    return len(names) + any(not isinstance(key, str) for key in keys)
