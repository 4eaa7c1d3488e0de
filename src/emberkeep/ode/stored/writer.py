"""Writing results while the next ones are computed."""

# zarr's types are not ours.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import queue
import shutil
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, final

import numpy as np

from emberkeep.ode.errors import NotWritten
from emberkeep.ode.running.results import result_of
from emberkeep.ode.stored.blocks import Blocks, blocks
from emberkeep.ode.stored.destination import require_free
from emberkeep.ode.stored.folder import Folder
from emberkeep.ode.stored.layout import StoredArray, attributes, make_layout
from emberkeep.ode.stored.result import DOCUMENT, StoredResult, open_result
from emberkeep.ode.variables import variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emberkeep.ode.running.job import Job, Outcome, Part, Runner
    from emberkeep.ode.stored.destination import Destination

PART_BYTES = 256 << 20  # computed at once: enough to be written at full speed
SLAB_BYTES = 64 << 20  # written at once: Ctrl-C waits for the end of one
TURNED = 128  # trajectories at a time
GB = 1e9


def write_results(
    job: Job,
    destination: Destination,
    runner: Runner,
    target: str,
    advance: Callable[[int], None] | None,
) -> StoredResult:
    """Compute and write all trajectories, part by part.

    Raises:
        NotWritten: the disk is full, or the like; says how much is there, and where.
    """
    part_runs = _part_runs(job, destination.part_bytes, runner.busy)
    cut, layout = blocks(job.batch.shape, part_runs), make_layout(job, part_runs)
    runner.prepare(job.plan)  # what cannot be compiled leaves nothing behind
    writer = Writer(destination, layout, cut, job, target)

    def advanced(runs: int) -> None:
        writer.require_good()
        if advance is not None:
            advance(runs)

    parts = [*cut.ranges()]
    with writer, contextlib.closing(runner.run(job, parts, advanced)) as computed:
        for part in parts:
            writer.put(part, next(computed))
    return open_result(destination.path)


def _part_runs(job: Job, most_bytes: float, busy: int) -> int:
    """Trajectories of a part: few, but written at full speed and enough to keep a machine busy."""
    each, runs = job.run_size_bytes(), job.batch.runs
    return max(int(min(most_bytes / each, max(PART_BYTES / each, busy), runs)), 1)


@final
class Writer:
    """A store that is written by a thread of its own; as a context, until all of it is there.

    Args:
        destination: where.
        layout: the arrays that it holds.
        cut: how trajectories are cut into parts.
        job: whose results.
        target: what it runs on.
    """

    def __init__(
        self,
        destination: Destination,
        layout: tuple[StoredArray, ...],
        cut: Blocks,
        job: Job,
        target: str,
    ) -> None:
        self._path, self._layout, self._cut, self._job = destination.path, layout, cut, job
        self._waiting: queue.Queue[tuple[Part, Outcome] | None] = queue.Queue(maxsize=1)
        self._problem: BaseException | None = None
        self._stopped = False
        self._written = 0
        self._group: Any = None
        self._arrays: dict[str, Any] = {}
        self._unsettled = [DOCUMENT]  # files of which a loss of power might leave nothing
        try:
            self._folder = Folder(self._path)
            try:
                self._make(destination, attributes(job, layout, target))
            except BaseException:
                self._folder.leave()
                raise
        except OSError as problem:
            raise self._not_written(problem) from problem
        # Waits for disks, which are slow: the next part can be compressed meanwhile.
        self._settler = ThreadPoolExecutor(1, "emberkeep results")
        self._settled = self._settler.submit(self._settle_files, [])
        self._thread = threading.Thread(target=self._work, name="emberkeep results", daemon=True)

    def _make(self, destination: Destination, described: dict[str, Any]) -> None:
        import zarr
        from zarr.codecs import BloscCodec, Crc32cCodec

        # Again: it may be somebody else's since it was looked at.
        require_free(self._path, overwrite=destination.overwrite)
        self._folder.empty()
        self._group = zarr.create_group(self._path, zarr_format=3, attributes=described)
        for each in self._layout:
            size = np.dtype(each.kind).itemsize
            self._arrays[each.label] = self._group.create_array(
                each.label,
                shape=each.shape,
                chunks=each.chunks,
                dtype=each.kind,
                dimension_names=each.axes,
                fill_value=each.fill,
                attributes=dict(each.attributes),
                # Measured: it makes numbers in double precision a quarter smaller, faster than
                # disks take them; what compresses better is slower than that.
                compressors=(
                    BloscCodec(cname="lz4", clevel=1, shuffle="shuffle", typesize=size),
                    Crc32cCodec(),  # a chunk that is damaged is no number
                ),
                config={"write_empty_chunks": True},  # also NaN, whatever its bits
            )
            self._unsettled.append(f"{each.label}/{DOCUMENT}")

    # The caller's side -----------------------------------------------------------------------

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def put(self, part: Part, outcome: Outcome) -> None:
        """Have a part written; waits while there is one that has not been begun."""
        self.require_good()
        self._waiting.put((part, outcome))

    def require_good(self) -> None:
        """Raise what went wrong with writing."""
        if self._problem is not None:
            raise self._not_written(self._problem) from self._problem

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._stopped = error is not None
        try:
            self._end()
            if error is None:
                self.require_good()
                try:
                    self._complete()
                except OSError as problem:
                    raise self._not_written(problem) from problem
        except BaseException as problem:
            self._stopped, error = True, problem
            self._end()  # at once
            raise
        finally:
            self._folder.leave()
            if error is not None and not isinstance(error, NotWritten):
                error.add_note(f"{self._told()}.")

    def _end(self) -> None:
        """Wait until all is written, or until nothing more is."""
        self._waiting.put(None)
        self._thread.join()

    def _complete(self) -> None:
        import zarr

        self._group.attrs["complete"] = 1
        with warnings.catch_warnings():
            # One file in place of one for each array: xarray looks for it. Others don't need it.
            warnings.simplefilter("ignore", UserWarning)
            zarr.consolidate_metadata(self._group.store)
        self._folder.settle([DOCUMENT], lambda: False)

    def _told(self) -> str:
        size_bytes = sum(
            os.path.getsize(os.path.join(folder, name))
            for folder, _, names in os.walk(self._path)
            for name in names
        )
        return (
            f"Of {self._job.batch.runs:,} trajectories, {self._written:,} are in {self._path} "
            f"({size_bytes / GB:,.2f} GB), where the status of all others is -1"
        )

    def _not_written(self, problem: BaseException) -> NotWritten:
        reason = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
        return NotWritten(
            f"The results of {self._job.plan.system.name} could not be written: {reason}. "
            f"{self._told()}. Remove it, make room, and solve again; or pass into= another disk"
        )

    # The thread's side -----------------------------------------------------------------------

    def _work(self) -> None:
        self._try(self._write_coordinates)
        while (item := self._waiting.get()) is not None:
            # Taken even where nothing is written any more: who puts must not wait for ever.
            self._try(self._write, *item)
            del item  # its memory is for the next one
        self._try(self._settle)
        self._try(self._settled.result)
        self._settler.shutdown(wait=not self._stopped)

    def _try(self, work: Callable[..., None], *given: Any) -> None:
        if self._problem is None:
            try:
                work(*given)
            except BaseException as problem:  # noqa: BLE001 - raised again by `require_good`
                self._problem = problem

    def _write_coordinates(self) -> None:
        for each in self._layout:
            if each.values is not None:
                whole = tuple(slice(0, size) for size in each.shape)
                self._fill(each.label, whole, each.values, 0)

    def _write(self, part: Part, outcome: Outcome) -> None:
        begin, end = part
        size_bytes = self._job.run_size_bytes() * (end - begin)
        # Stopped in time: a disk that is full to the last byte is everybody's trouble.
        if shutil.disk_usage(self._path).free < size_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._path)
        place = self._cut.place(begin, end)
        box = tuple(each.stop - each.start for each in place)
        found = {each.name: each.values for each in variables(result_of(self._job, outcome))}
        for each in self._layout:
            if each.values is None:
                values = _packed(found[each.label])
                shaped = values.reshape(*box, *values.shape[1:])
                self._fill(each.label, place, shaped, self._cut.axis)
        self._settle()
        if not self._stopped:
            self._written += end - begin

    def _fill(self, label: str, place: tuple[slice, ...], values: Any, axis: int) -> None:
        """Write values to their place, some chunks along an axis after the other."""
        array, begin, end = self._arrays[label], place[axis].start, place[axis].stop
        unit = array.chunks[axis]
        step = max(SLAB_BYTES * (end - begin) // max(values.nbytes, 1) // unit, 1) * unit
        for start in range(begin, end, step):
            if self._stopped:
                return
            stop = min(start + step, end)
            there = (*place[:axis], slice(start, stop), *place[axis + 1 :])
            array[there] = values[(*(slice(None),) * axis, slice(start - begin, stop - begin))]
            behind = (slice(0, size) for size in values.shape[len(there) :])
            self._unsettled += _files(label, array.chunks, (*there, *behind))

    def _settle(self) -> None:
        """Begin to have on the disk itself what was written, once what was before it is there."""
        unsettled, self._unsettled = self._unsettled, []
        self._settled.result()
        if not self._stopped:
            self._settled = self._settler.submit(self._settle_files, unsettled)

    def _settle_files(self, files: list[str]) -> None:
        self._folder.settle(files, lambda: self._stopped)


def _files(label: str, chunks: tuple[int, ...], place: tuple[slice, ...]) -> Iterator[str]:
    """Files of an array in which values of a place are, as Zarr's third format names them."""
    along = (
        range(each.start // size, -(-each.stop // size))
        for size, each in zip(chunks, place, strict=True)
    )
    return ("/".join((label, "c", *map(str, numbers))) for numbers in itertools.product(*along))


def _packed(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same numbers, with those of a trajectory side by side, for chunks to be cut out of.

    A GPU writes those of all trajectories side by side. Turned some at a time, they stay in caches:
    that is five times as fast.
    """
    if values.ndim == 1 or abs(values.strides[0]) >= min(map(abs, values.strides[1:])):
        return values
    packed = np.empty(values.shape, values.dtype)
    for begin in range(0, len(values), TURNED):
        packed[begin : begin + TURNED] = values[begin : begin + TURNED]
    return packed
