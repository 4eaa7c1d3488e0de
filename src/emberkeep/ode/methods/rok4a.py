"""Order 4 also with the Jacobian's part in a Krylov space for it, L-stable.

(Tranquilli & Sandu, SIAM Journal on Scientific Computing 36, 2014.)
"""

from emberkeep.ode.methods.rosenbrock_forms import transformed

ROK4A = transformed(
    name="rok4a",
    order=4,
    gamma=0.572816062482135,
    alphas=(
        (1.0,),
        (0.10845300169319391758, 0.39154699830680608241),
        (0.43453047756004477624, 0.14484349252001492541, -0.07937397008005970166),
    ),
    gammas=(
        (-1.91153192976055097824,),
        (0.32881824061153522156, 0.0),
        (0.0330364423979581129, -0.24375152376108235312, -0.17062602991994029834),
    ),
    weights=(0.16666666666666666667, 0.16666666666666666667, 0.0, 0.66666666666666666667),
    embedded=(0.50269322573684235345, 0.27867551969005856226, 0.21863125457309908428, 0.0),
    error_order=3,
)
