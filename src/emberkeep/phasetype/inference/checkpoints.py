"""Runs in a file, so that they go on where they were: arrays and a digest, nothing that runs.

The first line names the format, the identity of what is run, and the SHA-256 of what follows:
NumPy's archive of arrays. A file is replaced whole.
"""

from __future__ import annotations

import os
from io import BytesIO

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.phasetype.inference.requirements import require
from emberkeep.startup_records import final, frozen, sha256
from emberkeep.store.files import read_file, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Values = np.ndarray[Any, Any]

FORMAT = "emberkeep-svgd-1"
WORDS = 3
LARGEST_BYTES = 4 << 30


@final
@frozen
class Run:
    """One restart, as far as it has come.

    Attributes:
        center: of its standardised coordinates.
        scale: of them.
        standard: particles.
        memory: leaves of the optimizer's state.
        mean: history by step.
        std: likewise.
        level: likewise.
        settled: whether it has ended early; an array of one truth value.
    """

    center: Values
    scale: Values
    standard: Values
    memory: tuple[Values, ...]
    mean: Values
    std: Values
    level: Values
    settled: Values

    @property
    def steps(self) -> int:
        """How many are done."""
        return len(self.level)


SINGLE = ("center", "scale", "standard", "mean", "std", "level", "settled")


def identity(tree: Any, words: Sequence[object]) -> str:
    """A digest of all numbers of a tree, and of what else says what is run."""
    found = sha256()
    leaves, _ = require("jax").tree_util.tree_flatten(tree)
    parts = [repr(tuple(words)).encode()]
    for leaf in leaves:
        array = np.asarray(leaf)
        parts += [f"{array.dtype} {array.shape}".encode(), np.ascontiguousarray(array).tobytes()]
    for part in parts:
        found = sha256(found.digest() + sha256(part).digest())
    return found.hexdigest()


def save(path: str, what: str, runs: Sequence[Run]) -> None:
    """Write runs, in place of what is there."""
    arrays: dict[str, Values] = {}
    for number, run in enumerate(runs):
        arrays |= {f"{number}/{name}": np.asarray(getattr(run, name)) for name in SINGLE}
        arrays |= {f"{number}/memory/{i}": np.asarray(leaf) for i, leaf in enumerate(run.memory)}
    stream = BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType]
    body = stream.getvalue()
    head = f"{FORMAT} {what} {sha256(body).hexdigest()}\n".encode()
    path = os.path.abspath(path)
    write_file(path, head + body, os.path.dirname(path))


def load(path: str, what: str) -> list[Run]:
    """Read runs; none where there is no file.

    Raises:
        InvalidPlan: the file is damaged, or of something else.
    """
    try:
        content = read_file(path, LARGEST_BYTES)
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as problem:
        raise InvalidPlan(f"The checkpoint {path} cannot be read: {problem}") from problem
    head, _, body = content.partition(b"\n")
    words = head.decode("utf-8", "replace").split(" ")
    if len(words) != WORDS or words[0] != FORMAT:
        raise InvalidPlan(
            f"{path} is no checkpoint of this version of emberkeep; it is not overwritten. Name "
            "another file"
        )
    if sha256(body).hexdigest() != words[2]:
        raise InvalidPlan(
            f"The checkpoint {path} is damaged: its digest is not what it says. Remove it to start "
            "anew"
        )
    if words[1] != what:
        raise InvalidPlan(
            f"The checkpoint {path} is of another run: the model, data, prior, seed or options "
            "differ. Name another file, or remove it to start anew"
        )
    with np.load(BytesIO(body), allow_pickle=False) as arrays:
        return _runs(arrays)


def _runs(arrays: Any) -> list[Run]:
    runs: list[Run] = []
    while f"{len(runs)}/standard" in arrays:
        number = len(runs)
        memory: list[Values] = []
        while f"{number}/memory/{len(memory)}" in arrays:
            memory.append(arrays[f"{number}/memory/{len(memory)}"])
        single = {name: arrays[f"{number}/{name}"] for name in SINGLE}
        runs.append(Run(memory=tuple(memory), **single))
    return runs
