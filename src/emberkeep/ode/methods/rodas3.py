"""Order 3, as the last state and its k: of RODAS's kind.

`rodas3`: Sandu et al., Atmospheric Environment 31 (1997). `rodas3d`: Yu, Gu, Xu & Lu,
arXiv:2312.02809. `rodas3p`, and `rodas23w` with its two solutions exchanged, so that the one is it
that keeps its order with any matrix: Steinebach, Proceedings of the JuliaCon Conferences (2024).
"""

from emberkeep.ode.methods.rosenbrock import RosenbrockTableau
from emberkeep.ode.methods.rosenbrock_forms import rodas, within

RODAS3 = rodas(
    name="rodas3",
    order=3,
    gamma=0.5,
    nodes=(0.0, 0.0, 1.0, 1.0),
    time_weights=(0.5, 1.5, 0.0, 0.0),
    stages=((0.0,), (2.0, 0.0), (2.0, 0.0, 1.0)),
    couplings=((4.0,), (1.0, -1.0), (1.0, -1.0, -8 / 3)),
)

RODAS3D = rodas(
    name="rodas3d",
    order=3,
    gamma=0.57281606,
    nodes=(0.0, 1.2451051999132263, 1.0, 1.0),
    time_weights=(0.57281606, -3.819703409768521, 0.0, 0.0),
    stages=((2.173656234277416,), (1.745761108723104, 0.0), (1.745761108723104, 0.0, 1.0)),
    couplings=(
        (-13.387001858207178,),
        (0.3044231400659693, 0.307452788261533),
        (0.5728764641408153, 0.3477109860569936, -2.74253406964739),
    ),
)

RODAS3P = RosenbrockTableau(
    name="rodas3p",
    order=3,
    gamma=1 / 3,
    nodes=(0.0, 4 / 9, 0.0, 1.0, 1.0),
    time_weights=(1 / 3, -1 / 9, 1.0, 0.0, 0.0),
    stages=((4 / 3,), (0.0, 0.0), (2.90625, 3.375, 0.40625), (2.90625, 3.375, 0.40625, 0.0)),
    couplings=(
        (-4.0,),
        (8.25, 6.75),
        (1.21875, -5.0625, -1.96875),
        (4.03125, -15.1875, -4.03125, 6.0),
    ),
    weights=(2.90625, 3.375, 0.40625, 0.0, 1.0),
    error=(0.0, 0.0, 0.0, -1.0, 1.0),
    error_order=2,
    interpolant=within(
        (2.90625, 3.375, 0.40625, 0.0, 1.0),
        (1.78125, 6.75, 0.15625, -6.0, -1.0),
        (4.21875, -15.1875, -3.09375, 9.0, 0.0),
    ),
    interpolant_order=3,
)

RODAS23W = RosenbrockTableau(
    name="rodas23w",
    order=2,
    gamma=1 / 3,
    nodes=(0.0, 4 / 9, 0.0, 1.0, 1.0),
    time_weights=(1 / 3, -1 / 9, 1.0, 0.0, 0.0),
    stages=((4 / 3,), (0.0, 0.0), (2.90625, 3.375, 0.40625), (2.90625, 3.375, 0.40625, 0.0)),
    couplings=(
        (-4.0,),
        (8.25, 6.75),
        (1.21875, -5.0625, -1.96875),
        (4.03125, -15.1875, -4.03125, 6.0),
    ),
    weights=(2.90625, 3.375, 0.40625, 1.0, 0.0),
    error=(0.0, 0.0, 0.0, 1.0, -1.0),
    error_order=3,
    interpolant=within(
        (2.90625, 3.375, 0.40625, 1.0, 0.0), (4.21875, -2.025, -1.63125, -1.7, -0.1)
    ),
    interpolant_order=2,
)
