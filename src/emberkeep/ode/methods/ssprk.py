"""Methods that keep what falls from rising: strong stability preserving.

Shu & Osher (J. Comput. Phys. 77, 1988), Kraaijevanger (BIT 31, 1991), Ketcheson (SIAM J. Sci.
Comput. 30, 2008); estimates by Conde, Fekete & Shadid (arXiv:1806.08693).
"""

from emberkeep.ode.methods.tableau import Tableau

# The same as Heun's of order 2, under the name by which it is known here.
SSPRK22 = Tableau(
    name="ssprk22",
    order=2,
    nodes=(0.0, 1.0),
    stages=((1.0,),),
    weights=(0.5, 0.5),
)

SSPRK33 = Tableau(
    name="ssprk33",
    order=3,
    nodes=(0.0, 1.0, 0.5),
    stages=(
        (1.0,),
        (0.25, 0.25),
    ),
    weights=(1 / 6, 1 / 6, 2 / 3),
)

SSPRK43 = Tableau(
    name="ssprk43",
    order=3,
    nodes=(0.0, 0.5, 1.0, 0.5),
    stages=(
        (0.5,),
        (0.5, 0.5),
        (1 / 6, 1 / 6, 1 / 6),
    ),
    weights=(1 / 6, 1 / 6, 1 / 6, 0.5),
    error=(-1 / 12, -1 / 12, -1 / 12, 0.25),
    error_order=2,
)

SSPRK104 = Tableau(
    name="ssprk104",
    order=4,
    nodes=(0.0, 1 / 6, 1 / 3, 0.5, 2 / 3, 1 / 3, 0.5, 2 / 3, 5 / 6, 1.0),
    stages=(
        (1 / 6,),
        (1 / 6, 1 / 6),
        (1 / 6, 1 / 6, 1 / 6),
        (1 / 6, 1 / 6, 1 / 6, 1 / 6),
        (1 / 15, 1 / 15, 1 / 15, 1 / 15, 1 / 15),
        (1 / 15, 1 / 15, 1 / 15, 1 / 15, 1 / 15, 1 / 6),
        (1 / 15, 1 / 15, 1 / 15, 1 / 15, 1 / 15, 1 / 6, 1 / 6),
        (1 / 15, 1 / 15, 1 / 15, 1 / 15, 1 / 15, 1 / 6, 1 / 6, 1 / 6),
        (1 / 15, 1 / 15, 1 / 15, 1 / 15, 1 / 15, 1 / 6, 1 / 6, 1 / 6, 1 / 6),
    ),
    weights=(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1),
    error=(0.1, -11 / 90, 0.1, 0.1, -8 / 45, -7 / 30, 0.1, 0.1, 0.1, -1 / 15),
    error_order=3,
)
