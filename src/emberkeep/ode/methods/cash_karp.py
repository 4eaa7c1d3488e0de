"""Order 5 with an estimate of order 4 (Cash & Karp, ACM TOMS 16, 1990)."""

from emberkeep.ode.methods.tableau import Tableau

CASH_KARP = Tableau(
    name="cash-karp",
    order=5,
    nodes=(0.0, 0.2, 0.3, 0.6, 1.0, 0.875),
    stages=(
        (0.2,),
        (0.075, 0.225),
        (0.3, -0.9, 1.2),
        (-11 / 54, 2.5, -70 / 27, 35 / 27),
        (1631 / 55296, 175 / 512, 575 / 13824, 44275 / 110592, 253 / 4096),
    ),
    weights=(37 / 378, 0.0, 250 / 621, 125 / 594, 0.0, 512 / 1771),
    error=(-277 / 64512, 0.0, 6925 / 370944, -6925 / 202752, -277 / 14336, 277 / 7084),
    error_order=4,
)
