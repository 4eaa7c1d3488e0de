"""Diagonally implicit methods with one number on the diagonal, whose last stage is the solution.

`implicit-euler` and `trapezoidal` as everybody knows them. `sdirk2`: Alexander (SIAM Journal on
Numerical Analysis 14, 1977), compared as Ellsiepen did (Stuttgart, 1999). `sdirk3`: Alexander's,
compared with what is of order 2 of its first two stages. `sdirk4`: Hairer & Wanner, Solving ODEs II
(1996), with their dense output.
"""

from emberkeep.ode.methods.implicit_forms import diagonal

IMPLICIT_EULER = diagonal(
    name="implicit-euler",
    order=1,
    nodes=(1.0,),
    stages=((1.0,),),
)

TRAPEZOIDAL = diagonal(
    name="trapezoidal",
    order=2,
    nodes=(0.0, 1.0),
    stages=((), (0.5, 0.5)),
)

SDIRK2 = diagonal(
    name="sdirk2",
    order=2,
    nodes=(0.2928932188134524755991556378951509607152, 1.0),
    stages=(
        (0.2928932188134524755991556378951509607152,),
        (0.7071067811865475244008443621048490392848, 0.2928932188134524755991556378951509607152),
    ),
    embedded=(
        0.7677669529663688110021109052621225982121,
        0.2322330470336311889978890947378774017879,
    ),
    error_order=1,
)

SDIRK3 = diagonal(
    name="sdirk3",
    order=3,
    nodes=(
        0.4358665215084589994160194511935568425293,
        0.7179332607542294997080097255967784212646,
        1.0,
    ),
    stages=(
        (0.4358665215084589994160194511935568425293,),
        (0.2820667392457705002919902744032215787354, 0.4358665215084589994160194511935568425293),
        (
            1.208496649176010070336477684063323111495,
            -0.6443631706844690697524971352568799540247,
            0.4358665215084589994160194511935568425293,
        ),
    ),
    embedded=(
        0.7726301276675510709204582328697662689661,
        0.2273698723324489290795417671302337310339,
    ),
    error_order=2,
)

SDIRK4 = diagonal(
    name="sdirk4",
    order=4,
    nodes=(0.25, 0.75, 0.55, 0.5, 1.0),
    stages=(
        (0.25,),
        (0.5, 0.25),
        (0.34, -0.04, 0.25),
        (371 / 1360, -137 / 2720, 15 / 544, 0.25),
        (25 / 24, -49 / 48, 125 / 16, -85 / 12, 0.25),
    ),
    embedded=(59 / 48, -17 / 96, 225 / 32, -85 / 12),
    error_order=3,
    interpolant=(
        (11 / 3, -463 / 72, 217 / 36, -20 / 9),
        (5.5, -385 / 16, 661 / 24, -10.0),
        (-125 / 18, 20125 / 432, -8875 / 216, 250 / 27),
        (0.0, -21.25, 85 / 6, 0.0),
        (-11 / 9, 557 / 108, -359 / 54, 80 / 27),
    ),
    interpolant_order=3,
)
