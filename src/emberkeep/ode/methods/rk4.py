"""The classic method of order 4 (Kutta, 1901)."""

from emberkeep.ode.methods.tableau import Tableau

TABLEAU = Tableau(
    name="rk4",
    order=4,
    nodes=(0.0, 0.5, 0.5, 1.0),
    stages=((0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)),
    weights=(1 / 6, 1 / 3, 1 / 3, 1 / 6),
)
