"""The implicit midpoint rule: of order 2, A-stable and symplectic."""

from emberkeep.ode.methods.implicit import ImplicitTableau

IMPLICIT_MIDPOINT = ImplicitTableau(
    name="implicit-midpoint",
    order=2,
    nodes=(0.5,),
    matrix=((0.5,),),
    weights=(1.0,),
)
