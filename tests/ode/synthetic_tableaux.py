"""Tableaux that nobody would use, each with what a generator may wrongly take for granted.

All are right: they have the orders that they state. Tests take them by `runpy.run_path`.
"""

from emberkeep.ode.methods.tableau import Tableau

# Weights of θ, θ², θ³ of the cubic through both ends and their slopes: of the change over the
# step, of the slope at its start, and of the one at its end.
CHANGE, START, END = (0.0, 3.0, -2.0), (1.0, -2.0, 1.0), (0.0, -1.0, 1.0)


def hermite(*parts):
    """A stage's row of the interpolant from so much of each of the three."""
    columns = zip(CHANGE, START, END, strict=True)
    return tuple(sum(p * c for p, c in zip(parts, column, strict=True)) for column in columns)


TABLEAUX = {
    one.name: one
    for one in (
        Tableau("one-stage", 1, (0.0,), (), (1.0,)),
        Tableau(
            "one-stage-with-interpolant",
            1,
            nodes=(0.0,),
            stages=(),
            weights=(1.0,),
            interpolant=((1.0,),),
            interpolant_order=1,
        ),
        # The last stage is not the solution, and there is no interpolant.
        Tableau(
            "estimate-without-last-slope",
            2,
            nodes=(0.0, 1.0),
            stages=((1.0,),),
            weights=(1 / 2, 1 / 2),
            error=(-1 / 2, 1 / 2),
            error_order=1,
        ),
        # The same, and the slope at the solution is an extra stage, which the interpolant takes.
        Tableau(
            "last-slope-is-extra",
            2,
            nodes=(0.0, 1.0),
            stages=((1.0,),),
            weights=(1 / 2, 1 / 2),
            error=(-1 / 2, 1 / 2),
            error_order=1,
            extra_nodes=(1.0,),
            extra_stages=((1 / 2, 1 / 2),),
            interpolant=(hermite(1 / 2, 1, 0), hermite(1 / 2, 0, 0), hermite(0, 0, 1)),
            interpolant_order=2,
        ),
        # Extra stages that are not at the solution, one of them unused by the interpolant itself.
        Tableau(
            "extra-stages-inside",
            2,
            nodes=(0.0, 1.0),
            stages=((1.0,),),
            weights=(1 / 2, 1 / 2),
            error=(-1 / 2, 1 / 2),
            error_order=1,
            extra_nodes=(1 / 4, 1 / 2),
            extra_stages=((1 / 4,), (0.0, 0.0, 1 / 2)),
            interpolant=((1.0, -1.0 / 2), (0.0, 1 / 2), (0.0, 0.0), (0.0, 0.0)),
            interpolant_order=2,
        ),
        # The last stage is the solution, and there is no interpolant.
        Tableau(
            "no-interpolant",
            3,
            nodes=(0.0, 1 / 2, 3 / 4, 1.0),
            stages=((1 / 2,), (0.0, 3 / 4), (2 / 9, 1 / 3, 4 / 9)),
            weights=(2 / 9, 1 / 3, 4 / 9, 0.0),
            error=(-5 / 72, 1 / 12, 1 / 9, -1 / 8),
            error_order=2,
        ),
        # An interpolant, and no estimate of the error.
        Tableau(
            "no-estimate",
            4,
            nodes=(0.0, 1 / 2, 1 / 2, 1.0),
            stages=((1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0)),
            weights=(1 / 6, 1 / 3, 1 / 3, 1 / 6),
            interpolant=(
                (1.0, -3 / 2, 2 / 3),
                (0.0, 1.0, -2 / 3),
                (0.0, 1.0, -2 / 3),
                (0.0, -1 / 2, 2 / 3),
            ),
            interpolant_order=3,
        ),
        # The second stage takes nothing of the first: it is the first one again.
        Tableau(
            "row-of-zeros",
            2,
            nodes=(0.0, 0.0, 1 / 2),
            stages=((0.0,), (0.0, 1 / 2)),
            weights=(0.0, 0.0, 1.0),
            error=(0.0, -1.0, 1.0),
            error_order=1,
        ),
        # A row that is empty, as zeros may be left out at its end.
        Tableau("empty-row", 2, (0.0, 0.0, 1 / 2), ((), (1 / 2,)), (0.0, 0.0, 1.0)),
        # A step begins with a look back.
        Tableau(
            "negative-node",
            3,
            nodes=(0.0, -1 / 2, 1.0),
            stages=((-1 / 2,), (13 / 7, -6 / 7)),
            weights=(5 / 6, -2 / 9, 7 / 18),
            error=(-1 / 6, -2 / 9, 7 / 18),
            error_order=1,
        ),
        # A stage at the end of the step comes before one in its middle.
        Tableau(
            "end-in-the-middle",
            3,
            nodes=(0.0, 1.0, 1 / 2),
            stages=((1.0,), (1 / 4, 1 / 4)),
            weights=(1 / 6, 1 / 6, 2 / 3),
            error=(-1 / 3, -1 / 3, 2 / 3),
            error_order=2,
        ),
        # The last stage is at the end of the step and takes of the same ones: not as much.
        Tableau(
            "nearly-the-solution",
            2,
            nodes=(0.0, 1.0, 1.0),
            stages=((1.0,), (1 / 4, 3 / 4)),
            weights=(1 / 2, 1 / 2, 0.0),
            error=(1 / 4, 1 / 4, -1 / 2),
            error_order=1,
        ),
        # The solution is a stage, and not the last one.
        Tableau(
            "solution-before-the-last",
            2,
            nodes=(0.0, 1.0, 1.0, 1 / 2),
            stages=((1.0,), (1 / 2, 1 / 2), (1 / 4, 0.0, 1 / 4)),
            weights=(1 / 2, 1 / 2, 0.0, 0.0),
            error=(1 / 3, 1 / 2, -1 / 6, -2 / 3),
            error_order=2,
        ),
        # The first stage has no weight, in the solution and in the estimate.
        Tableau(
            "first-has-no-weight",
            2,
            nodes=(0.0, 1 / 2, 1 / 4),
            stages=((1 / 2,), (1 / 4,)),
            weights=(0.0, 1.0, 0.0),
            error=(0.0, 1.0, -1.0),
            error_order=1,
        ),
        # Two estimates.
        Tableau(
            "two-estimates",
            3,
            nodes=(0.0, 1 / 2, 3 / 4, 1.0),
            stages=((1 / 2,), (0.0, 3 / 4), (2 / 9, 1 / 3, 4 / 9)),
            weights=(2 / 9, 1 / 3, 4 / 9, 0.0),
            error=(-5 / 72, 1 / 12, 1 / 9, -1 / 8),
            error_order=2,
            second_error=(-7 / 9, 1 / 3, 4 / 9, 0.0),
        ),
    )
}
