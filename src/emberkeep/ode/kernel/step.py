"""One step of a method, as operations on named vectors, and how they are written into code.

A method family turns its numbers into a `Step`. What follows from the numbers is found out from
them: whether the last stage is the solution, so that the next step begins with its slopes, and
whether there are values between the ends of a step.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import REAL
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.equations import Equations
    from emberkeep.ode.kernel.vectors import Layout, Vector
    from emberkeep.ode.methods.tableau import Tableau

    Clock = Callable[[float], Value]

Terms = tuple[tuple[str, float], ...]

Y, NEW, FIRST, ERROR = "y", "new", "k1", "error"


@final
@frozen
class Slopes:
    """The derivatives at a place.

    Attributes:
        target: the vector that they go to.
        at: the states there.
        node: when, as a share of the step.
    """

    target: str
    at: str
    node: float


@final
@frozen
class Combination:
    """States, and the step's length times a sum of slopes.

    Attributes:
        target: the vector that it goes to.
        base: what is added to; empty for nothing.
        terms: slopes with their weights.
    """

    target: str
    base: str
    terms: Terms


Operation = Slopes | Combination


@final
@frozen
class Step:
    """One step.

    Attributes:
        operations: in their order; they read `y` and leave the states after the step in `new`.
        begins: whether they begin by computing `k1`; else the step is given it.
        last: the slopes at the end of the step, where one of its stages lies there; else empty.
        error: weights of slopes in the estimate of the error; empty without one.
        second_error: those of another estimate, which the first is combined with; mostly empty.
        extra: operations that only values within the step need, after it.
        interpolant: for slopes, the coefficients of θ, θ², … in their weight at the fraction θ;
            empty where values within a step are found from both ends alone.
    """

    operations: tuple[Operation, ...]
    begins: bool
    last: str
    error: Terms
    second_error: Terms = ()
    extra: tuple[Operation, ...] = ()
    interpolant: tuple[tuple[str, tuple[float, ...]], ...] = ()


def _terms(row: Sequence[float]) -> Terms:
    return tuple((f"k{number}", value) for number, value in enumerate(row, 1) if value)


def explicit_step(tableau: Tableau) -> Step:
    """One step of an explicit Runge-Kutta method."""
    reused = tableau.ends_with_solution
    operations: list[Operation] = [] if reused else [Slopes(FIRST, Y, 0.0)]
    last = tableau.count
    for stage in range(2, last + 1):
        at = NEW if reused and stage == last else f"at{stage}"
        operations.append(Combination(at, Y, _terms(tableau.stages[stage - 2])))
        operations.append(Slopes(f"k{stage}", at, tableau.nodes[stage - 1]))
    if not reused:
        operations.append(Combination(NEW, Y, _terms(tableau.weights)))
    extra: list[Operation] = []
    rows = zip(tableau.extra_nodes, tableau.extra_stages, strict=True)
    for stage, (node, row) in enumerate(rows, last + 1):
        extra.append(Combination(f"at{stage}", Y, _terms(row)))
        extra.append(Slopes(f"k{stage}", f"at{stage}", node))
    interpolant = tuple(
        (f"k{stage}", row) for stage, row in enumerate(tableau.interpolant, 1) if any(row)
    )
    return Step(
        tuple(operations),
        begins=not reused,
        last=f"k{last}" if reused else "",
        error=_terms(tableau.error),
        second_error=_terms(tableau.second_error),
        extra=tuple(extra),
        interpolant=interpolant,
    )


# Writing it -------------------------------------------------------------------------------------


@final
class Stepper:
    """Writes a step into code.

    Args:
        step: what is done.
        layout: where vectors lie.
        equations: the right-hand side.
        states: how many there are.
        vectors: those that exist already: `y`, and `k1` where the step is given it.
        inputs: parameters and constants.
    """

    def __init__(
        self,
        step: Step,
        layout: Layout,
        equations: Equations,
        states: int,
        vectors: Mapping[str, Vector],
        inputs: Vector,
    ) -> None:
        self.step, self.layout, self.equations, self.states = step, layout, equations, states
        self.vectors, self.inputs = dict(vectors), inputs

    def __getitem__(self, name: str) -> Vector:
        """A vector of the step; states at stages, which are used at once, share their place."""
        if name not in self.vectors:
            place = "at" if name.startswith("at") else name
            if place not in self.vectors:
                self.vectors[place] = self.layout.passing(place, self.states)
            return self.vectors[place]
        return self.vectors[name]

    def take(self, operations: Sequence[Operation], clock: Clock, h: Value) -> None:
        """Write operations.

        Args:
            operations: of the step, or for values within it.
            clock: gives the time at a share of the step.
            h: its length, negative backwards.
        """
        for operation in operations:
            if isinstance(operation, Slopes):
                target = self[operation.target]
                when = clock(operation.node)
                self.equations.slopes(self[operation.at], self.inputs, when, target)
            else:
                target, base = self[operation.target], self[operation.base]
                weighted = self.weighted(operation.terms, h)
                self.layout.each(
                    self.states,
                    lambda i, target=target, base=base, weighted=weighted: target.set(
                        i, base.get(i) + weighted(i)
                    ),
                )

    def weighted(self, terms: Terms, h: Value) -> Weighted:
        """The step's length times a sum of slopes, at each place."""
        return Weighted(self, terms, h)


@final
class Weighted:
    """The step's length times a weighted sum of slopes.

    A weight is taken out of the sum, so that its slopes need no product at each place: the largest;
    or, where several are alike, theirs, beginning with the last slopes. Which products are one
    instruction with a sum, and which sums stand by themselves, is said: left to them, a CPU's
    compiler and a GPU's choose differently, and round differently.
    """

    def __init__(self, stepper: Stepper, terms: Terms, h: Value) -> None:
        self._code = stepper.layout.code
        self._share: Value | None = None
        if not terms:
            return
        alike = Counter(weight for _, weight in terms)
        most = max(alike.values())

        def worth(place: int) -> float:
            weight = terms[place][1]
            return abs(weight) if most == 1 else place if alike[weight] == most else -1

        chosen = max(range(len(terms)), key=worth)
        name, weight = terms[chosen]
        self._share = h * weight
        self._first = stepper[name]
        rest = (term for place, term in enumerate(terms) if place != chosen)
        self._terms = [(stepper[other], value / weight) for other, value in rest]

    def __call__(self, index: Operand) -> Value:
        """The sum at a place."""
        if self._share is None:
            return self._code.value(0.0, REAL)
        total = self._first.get(index)
        for slopes, weight in self._terms:
            value = slopes.get(index)
            if weight == 1:
                total = self._code.call("apart", total, value)
            else:
                total = self._code.call("fmuladd", value, weight, total)
        return self._share * total
