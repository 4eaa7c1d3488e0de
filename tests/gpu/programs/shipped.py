"""A model that is compiled on one machine and run on others."""

import emberkeep
from emberkeep import ode


@emberkeep.kernel("float64[::1], float64[::1], float64", name="shipped logistic")
def logistic(i, x, out, rate):
    value = x[i]
    for _ in range(1000):
        value = rate * value * (1.0 - value)
    out[i] = value


lorenz = ode.Solver(
    ode.System(
        "dx = sigma*(y - x)\ndy = x*(rho - z) - y\ndz = x*y - beta*z",
        states={"x": 1.0, "y": 1.0, "z": 1.0},
        parameters={"rho": 28.0},
        constants={"sigma": 10.0, "beta": 8 / 3},
        name="shipped lorenz",
    ),
    method="rk4",
)
