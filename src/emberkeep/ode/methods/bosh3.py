"""Order 3 with an estimate of order 2 (Bogacki & Shampine, Applied Mathematics Letters 2, 1989)."""

from emberkeep.ode.methods.tableau import Tableau

BOSH3 = Tableau(
    name="bosh3",
    order=3,
    nodes=(0.0, 0.5, 0.75, 1.0),
    stages=(
        (0.5,),
        (0.0, 0.75),
        (2 / 9, 1 / 3, 4 / 9),
    ),
    weights=(2 / 9, 1 / 3, 4 / 9, 0.0),
    error=(-5 / 72, 1 / 12, 1 / 9, -0.125),
    error_order=2,
)
