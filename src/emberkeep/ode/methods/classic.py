"""Methods of one to four stages for steps of fixed length.

Euler (1768), Runge (1895), Heun (1900), Kutta (1901), Ralston (Mathematics of Computation 16,
1962).
"""

from emberkeep.ode.methods.tableau import Tableau

EULER = Tableau(
    name="euler",
    order=1,
    nodes=(0.0,),
    stages=(),
    weights=(1.0,),
)

HEUN = Tableau(
    name="heun",
    order=2,
    nodes=(0.0, 1.0),
    stages=((1.0,),),
    weights=(0.5, 0.5),
)

MIDPOINT = Tableau(
    name="midpoint",
    order=2,
    nodes=(0.0, 0.5),
    stages=((0.5,),),
    weights=(0.0, 1.0),
)

# The least bound of the error among two stages.
RALSTON = Tableau(
    name="ralston",
    order=2,
    nodes=(0.0, 2 / 3),
    stages=((2 / 3,),),
    weights=(0.25, 0.75),
)

HEUN3 = Tableau(
    name="heun3",
    order=3,
    nodes=(0.0, 1 / 3, 2 / 3),
    stages=(
        (1 / 3,),
        (0.0, 2 / 3),
    ),
    weights=(0.25, 0.0, 0.75),
)

KUTTA3 = Tableau(
    name="kutta3",
    order=3,
    nodes=(0.0, 0.5, 1.0),
    stages=(
        (0.5,),
        (-1.0, 2.0),
    ),
    weights=(1 / 6, 2 / 3, 1 / 6),
)

# The least bound of the error among three stages.
RALSTON3 = Tableau(
    name="ralston3",
    order=3,
    nodes=(0.0, 0.5, 0.75),
    stages=(
        (0.5,),
        (0.0, 0.75),
    ),
    weights=(2 / 9, 1 / 3, 4 / 9),
)

RK4 = Tableau(
    name="rk4",
    order=4,
    nodes=(0.0, 0.5, 0.5, 1.0),
    stages=(
        (0.5,),
        (0.0, 0.5),
        (0.0, 0.0, 1.0),
    ),
    weights=(1 / 6, 1 / 3, 1 / 3, 1 / 6),
)

# Kutta's rule of three eighths.
RK38 = Tableau(
    name="rk38",
    order=4,
    nodes=(0.0, 1 / 3, 2 / 3, 1.0),
    stages=(
        (1 / 3,),
        (-1 / 3, 1.0),
        (1.0, -1.0, 1.0),
    ),
    weights=(0.125, 0.375, 0.375, 0.125),
)

# The least bound of the error among four stages; its numbers hold the root of 5.
RALSTON4 = Tableau(
    name="ralston4",
    order=4,
    nodes=(0.0, 0.4, 0.4557372542187894319232799371128857058549, 1.0),
    stages=(
        (0.4,),
        (0.2969776092477536000706054677229125627043, 0.1587596449710358318526744693899731431506),
        (
            0.2181003882259204675961605401197504034789,
            -3.05096514869293080535358267827408597694,
            3.832864760467010337757422138154335573462,
        ),
    ),
    weights=(
        0.1747602822626903712548676424114517823679,
        -0.5514806628787329405457611464815246174087,
        1.205535599396523535027777200614179379283,
        0.171184781219519034263116303455893455758,
    ),
)
