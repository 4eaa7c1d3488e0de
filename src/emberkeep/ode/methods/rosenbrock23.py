"""The pair of ode23s (Shampine & Reichelt, SIAM Journal on Scientific Computing 18, 1997).

Of order 2 also with any matrix in place of the Jacobian; the third stage looks at the solution of
order 2, so that the next step begins with it. `rosenbrock32` goes on with the other of the two.
"""

from emberkeep.ode.methods.rosenbrock_forms import transformed

ROSENBROCK23 = transformed(
    name="rosenbrock23",
    order=2,
    gamma=0.2928932188134524755991556378951509607152,
    alphas=((0.5,), (0.0, 1.0)),
    gammas=(
        (-0.2928932188134524755991556378951509607152,),
        (1.585786437626904951198311275790301921430, -2.171572875253809902396622551580603842861),
    ),
    weights=(0.0, 1.0, 0.0),
    embedded=(1 / 6, 2 / 3, 1 / 6),
    error_order=3,
    interpolant=(
        (2.414213562373095048801688724209698078570, -2.414213562373095048801688724209698078570),
        (-1.414213562373095048801688724209698078570, 2.414213562373095048801688724209698078570),
        (0.0, 0.0),
    ),
    interpolant_order=2,
)

ROSENBROCK32 = transformed(
    name="rosenbrock32",
    order=3,
    gamma=0.2928932188134524755991556378951509607152,
    alphas=((0.5,), (0.0, 1.0)),
    gammas=(
        (-0.2928932188134524755991556378951509607152,),
        (1.585786437626904951198311275790301921430, -2.171572875253809902396622551580603842861),
    ),
    weights=(1 / 6, 2 / 3, 1 / 6),
    embedded=(0.0, 1.0, 0.0),
    error_order=2,
)
