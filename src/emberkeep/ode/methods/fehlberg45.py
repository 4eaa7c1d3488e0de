"""Order 4 with an estimate of order 5 (Fehlberg, NASA TR R-315, 1969).

The solution is the one of order 4, whose error Fehlberg made small.
"""

from emberkeep.ode.methods.tableau import Tableau

FEHLBERG45 = Tableau(
    name="fehlberg45",
    order=4,
    nodes=(0.0, 0.25, 0.375, 12 / 13, 1.0, 0.5),
    stages=(
        (0.25,),
        (0.09375, 0.28125),
        (1932 / 2197, -7200 / 2197, 7296 / 2197),
        (439 / 216, -8.0, 3680 / 513, -845 / 4104),
        (-8 / 27, 2.0, -3544 / 2565, 1859 / 4104, -0.275),
    ),
    weights=(25 / 216, 0.0, 1408 / 2565, 2197 / 4104, -0.2, 0.0),
    error=(-1 / 360, 0.0, 128 / 4275, 2197 / 75240, -0.02, -2 / 55),
    error_order=5,
)
