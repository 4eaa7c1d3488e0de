"""The Laplace transform E[exp(-s Y)], for real, negative and complex s.

For real s that are not negative it is the probability that nothing happens which comes at rate s:
an elimination that subtracts nothing. Elsewhere it is a dense system, of values relative to those
at the real part of s. No value is larger there, and an inverse that is all positive bounds what
rounding did: it is computed, with residuals in extended precision, and proves at the same time
that the real part is inside the region of convergence.
"""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.distribution import weights_of
from emberkeep.phasetype.errors import InvalidGraph, TooStiff
from emberkeep.phasetype.linear_systems import Elimination, read_theta
from emberkeep.phasetype.numeric import as_numbers
from emberkeep.phasetype.rewards import read_rewards
from emberkeep.phasetype.trace import rows_of
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]

PRECISE = 1e-10  # of the transform at the real part of s
MOST_ROWS = 3000  # of a dense system


def laplace(graph: Structure, arguments: Any, theta: Any, rewards: Any) -> Any:
    """See `PhaseType.laplace_transform`."""
    vectors, single = read_theta(graph, theta)
    given = _read(arguments)
    flat = given.reshape(-1)
    values = read_rewards(graph, rewards)
    if values.ndim != 1:
        raise InvalidGraph("The transform is of one reward; pass one kind")
    if graph.is_discrete and rewards is not None and set(values[values > 0].tolist()) != {1.0}:
        raise InvalidGraph(
            "In discrete time the transform is of the number of steps; for other rewards take "
            "that of reward_transform(rewards)"
        )
    if np.iscomplexobj(flat) or (flat < 0).any():
        rows = [_elsewhere(graph, vector, flat, values) for vector in vectors]
        found = np.stack(rows) + graph.defect
    else:
        killing = np.expm1(flat) if graph.is_discrete else flat
        begun, _ = _killed(graph, vectors, killing, values)
        found = begun + graph.defect
    shaped = found[0].reshape(given.shape) if single else found.reshape(-1, *given.shape)
    return shaped.item() if shaped.ndim == 0 else shaped


def _read(arguments: Any) -> Values:
    """Real numbers, or complex ones.

    Raises:
        InvalidGraph: they are neither, or not finite.
    """
    try:
        given: Values = np.asarray(arguments)
        given = given.astype(complex if np.iscomplexobj(given) else float)
    except (TypeError, ValueError):
        given = as_numbers("The arguments of the transform", arguments)  # says what is wrong
    if not np.isfinite(given).all():
        raise InvalidGraph(f"The arguments of the transform must be finite; here is {given}")
    return given


def _killed(
    graph: Structure, vectors: Values, killing: Values, values: Values
) -> tuple[Values, Values]:
    """For all pairs of a vector and a rate at which it is killed: whether it ends before.

    By vector and rate, where it begins; and by pair and vertex.
    """
    pairs = np.repeat(vectors, len(killing), axis=0)
    system = Elimination(graph, len(pairs), values[rows_of(graph).vertices])
    system.update(pairs, np.tile(killing, len(vectors)))
    out = rows_of(graph).pattern.column == rows_of(graph).pattern.rows
    ending = system.sums(np.where(out[None, :, None], system.factors.weights, 0.0))
    solved = system.solve(ending)
    return system.begun(solved).reshape(len(vectors), len(killing)), system.by_vertex(solved)


@final
@frozen
class _Rows:
    """What can be left, in extended precision.

    Attributes:
        weights: from one to another.
        out: how fast each is left.
        ending: how fast each ends.
        earns: what it earns.
        initial: probabilities of beginning.
    """

    weights: Values
    out: Values
    ending: Values
    earns: Values
    initial: Values


def _rows(graph: Structure, vector: Values, values: Values) -> _Rows:
    leaving = np.diff(graph.edges.starts) > 0
    count = int(leaving.sum())
    if count > MOST_ROWS:
        raise InvalidGraph(
            f"{graph.name} has {count:,} states that can be left: negative and complex arguments "
            f"are for up to {MOST_ROWS:,}. Real ones that are not negative have no such limit"
        )
    place = np.cumsum(leaving) - 1
    weights = weights_of(graph, vector[None, :])[0].astype(np.longdouble)
    sources, targets = place[graph.edges.sources], graph.edges.targets.astype(np.int64)
    inner = leaving[targets]
    table = np.zeros((count, count), np.longdouble)
    table[sources[inner], place[targets[inner]]] = weights[inner]
    ending = np.zeros(count, np.longdouble)
    np.add.at(ending, sources[~inner], weights[~inner])
    out = table.sum(axis=1) + ending
    return _Rows(table, out, ending, values[leaving], graph.initial[leaving])


def _elsewhere(graph: Structure, vector: Values, arguments: Values, values: Values) -> Values:
    """By argument, where the chain begins."""
    rows = _rows(graph, vector, values)
    real = np.unique(arguments.real)
    leaving = np.diff(graph.edges.starts) > 0
    positive = real[real >= 0]
    killing = np.expm1(positive) if graph.is_discrete else positive
    scales = dict(zip(
        positive.tolist(),
        _killed(graph, vector[None, :], killing, values)[1][:, leaving] if len(positive) else (),
        strict=True,
    ))  # fmt: skip
    frames = {part: _Frame(graph, rows, part, scales.get(part)) for part in real.tolist()}
    return np.array([frames[s.real].value(s) for s in arguments.tolist()], arguments.dtype)


@final
class _Frame:
    """Values relative to those at a real argument.

    Args:
        graph: whose.
        rows: of it.
        real: the argument.
        scale: values there, or None where they are not known yet.
    """

    def __init__(self, graph: Structure, rows: _Rows, real: float, scale: Values | None) -> None:
        self._graph, self._rows, self._real = graph, rows, real
        self._diagonal = rows.out + self._killing(real) * rows.earns
        if not (self._diagonal > 0).all():
            self._refuse()
        ones = np.ones(len(rows.out))
        self._scale = ones if scale is None else np.maximum(scale, np.finfo(float).tiny)
        if scale is None:
            values, _ = self._solved(self._ways(), self._real)
            if not (values > 0).all():
                self._refuse()
            self._scale = values
        # Of all that is not negative: how much a residual can make of itself.
        self._inverse = np.linalg.inv(np.eye(len(ones)) - self._ways())
        steps = self._inverse @ ones
        least = (steps - (self._relative(steps))).min() if (steps > 0).all() else 0.0
        if not least > 0:
            self._refuse()
        begins = rows.initial * self._scale
        self._whole = float(begins.sum())
        self._amplified = float(begins @ steps) / float(least)

    def _killing(self, argument: Any) -> Any:
        return np.expm1(argument) if self._graph.is_discrete else argument

    def _refuse(self) -> None:
        raise InvalidGraph(
            f"s = {self._real:.6g} is not inside the region of convergence, or too near its border "
            "to tell: E[exp(-s Y)] is infinite for s below some negative number, at which it goes "
            "to infinity. Pass a larger real part"
        )

    def _ways(self) -> Values:
        """Probabilities of going from one to another, relative to values there."""
        weights = self._rows.weights.astype(float)
        scaled = self._scale[None, :] / self._scale[:, None]
        return weights * scaled / self._diagonal.astype(float)[:, None]

    def _relative(self, values: Values) -> Values:
        """What comes of values after one step, in extended precision."""
        scale = self._scale.astype(np.longdouble)
        return (self._rows.weights @ (scale * values)) / (self._diagonal * scale)

    def _solved(self, ways: Values, argument: Any) -> tuple[Values, float]:
        """Values at an argument, relative to the scale; the largest residual."""
        rows, scale = self._rows, self._scale.astype(np.longdouble)
        complex_ = isinstance(argument, complex)
        kind = np.clongdouble if complex_ else np.longdouble
        killing = self._killing(np.array(argument, kind))
        share = (rows.out + killing * rows.earns) / self._diagonal
        matrix = np.diag(share.astype(complex if complex_ else float)) - ways
        right = rows.ending / (self._diagonal * scale)
        try:
            inverse = np.linalg.inv(matrix)
        except np.linalg.LinAlgError:
            self._refuse()
            raise
        found = (inverse @ right.astype(float)).astype(kind)
        residual = right - share * found + self._relative(found)
        for _ in range(2):
            found = found + (inverse @ residual.astype(inverse.dtype)).astype(kind)
            residual = right - share * found + self._relative(found)
        return found.astype(inverse.dtype), float(abs(residual).max(initial=0.0))

    def value(self, argument: Any) -> Any:
        """The transform, but for the chains that have ended before they begin.

        Raises:
            TooStiff: rounding may have changed it by more than `PRECISE` of its real part's.
        """
        values, residual = self._solved(self._ways(), argument)
        found = (self._rows.initial * self._scale) @ values
        error = (residual + 2.0**-52) * self._amplified
        reference = self._whole if self._real >= 0 else abs(found)
        if not error <= PRECISE * reference:
            raise TooStiff(
                f"The transform at {argument:.6g} is known to {error:.1e} only, next to "
                f"{reference:.3g} at its real part: rates are too far apart"
            )
        return found
