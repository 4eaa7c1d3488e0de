"""The stiff test set as systems of emberkeep: `SYSTEMS` has what makes each, by name.

It is written apart from `peers/stiff_problems.py`, which the other tools solve, so that a mistake
in either is seen (`tests/ode/test_stiff_set.py`). States are in the same order, and the first
parameter is the one that varies.
"""

from functools import partial

import numpy as np

from emberkeep import ode


def robertson() -> ode.System:
    return ode.System(
        """
        da = -k1*a + 1e4*b*c
        db = k1*a - 1e4*b*c - 3e7*b^2
        dc = 3e7*b^2
        """,
        states={"a": 1.0, "b": 0.0, "c": 0.0},
        parameters={"k1": 0.04},
        name="robertson",
    )


def hires() -> ode.System:
    return ode.System(
        """
        y1' = -1.71*y1 + 0.43*y2 + 8.32*y3 + 0.0007
        y2' = 1.71*y1 - 8.75*y2
        y3' = -10.03*y3 + 0.43*y4 + 0.035*y5
        y4' = 8.32*y2 + 1.71*y3 - 1.12*y4
        y5' = -1.745*y5 + 0.43*y6 + 0.43*y7
        y6' = -k*y6*y8 + 0.69*y4 + 1.71*y5 - 0.43*y6 + 0.69*y7
        y7' = k*y6*y8 - 1.81*y7
        y8' = -k*y6*y8 + 1.81*y7
        """,
        states={**{f"y{i}": float(i == 1) for i in range(1, 8)}, "y8": 0.0057},
        parameters={"k": 280.0},
        name="hires",
    )


def oregonator() -> ode.System:
    return ode.System(
        """
        dx = s*(y + x*(1 - 8.375e-6*x - y))
        dy = (z - (1 + x)*y)/s
        dz = 0.161*(x - z)
        """,
        states={"x": 1.0, "y": 2.0, "z": 3.0},
        parameters={"s": 77.27},
        name="oregonator",
    )


def pollution() -> ode.System:
    return ode.System(
        """
        NO2' = -r1 - r10 - r14 - r23 - r24 + r2 + r3 + r9 + r11 + r12 + r22 + r25
        NO' = -r2 - r3 - r9 - r12 + r1 + r21
        O3P' = -r15 + r1 + r17 + r19 + r22
        O3' = -r2 - r16 - r17 - r23 + r15
        HO2' = -r3 + 2*r4 + r6 + r7 + r13 + r20
        OH' = -r6 - r8 - r14 - r20 + r3 + 2*r18
        HCHO' = -r4 - r5 - r6 + r13
        CO' = r4 + r5 + r6 + r7
        ALD' = -r7 - r8
        MEO2' = -r12 + r7 + r9
        C2O3' = -r9 - r10 + r8 + r11
        CO2' = r9
        PAN' = -r11 + r10
        CH3O' = -r13 + r12
        HNO3' = r14
        O1D' = -r18 - r19 + r16
        SO2' = -r20
        SO4' = r20
        NO3' = -r21 - r22 - r24 + r23 + r25
        N2O5' = -r25 + r24

        r1 = k1*NO2;              r2 = 26.6*NO*O3;         r3 = 1.23e4*HO2*NO
        r4 = 8.6e-4*HCHO;         r5 = 8.2e-4*HCHO;        r6 = 1.5e4*HCHO*OH
        r7 = 1.3e-4*ALD;          r8 = 2.4e4*ALD*OH;       r9 = 1.65e4*C2O3*NO
        r10 = 9e3*C2O3*NO2;       r11 = 2.2e-2*PAN;        r12 = 1.2e4*MEO2*NO
        r13 = 1.88*CH3O;          r14 = 1.63e4*NO2*OH;     r15 = 4.8e6*O3P
        r16 = 3.5e-4*O3;          r17 = 1.75e-2*O3;        r18 = 1e8*O1D
        r19 = 4.44e11*O1D;        r20 = 1.24e3*SO2*OH;     r21 = 2.1*NO3
        r22 = 5.78*NO3;           r23 = 4.74e-2*NO2*O3;    r24 = 1.78e3*NO3*NO2
        r25 = 3.12*N2O5
        """,
        states={
            **dict.fromkeys(("NO2", "NO", "O3P", "O3", "HO2", "OH", "HCHO", "CO", "ALD"), 0.0),
            **dict.fromkeys(("MEO2", "C2O3", "CO2", "PAN", "CH3O", "HNO3", "O1D", "SO2"), 0.0),
            **dict.fromkeys(("SO4", "NO3", "N2O5"), 0.0),
            "NO": 0.2,
            "O3": 0.04,
            "HCHO": 0.1,
            "CO": 0.3,
            "ALD": 0.01,
            "SO2": 0.007,
        },
        parameters={"k1": 0.35},
        name="pollution",
    )


def van_der_pol() -> ode.System:
    return ode.System(
        "dx = v; dv = mu*(1 - x^2)*v - x",
        states={"x": 2.0, "v": 0.0},
        parameters={"mu": 1000.0},
        name="van_der_pol",
    )


def ring_modulator() -> ode.System:
    return ode.System(
        """
        U1' = (I1 - I3/2 + I4/2 + I7 - U1/R)/C
        U2' = (I2 - I5/2 + I6/2 + I8 - U2/R)/C
        U3' = (I3 - q1 + q4)/Cs
        U4' = (-I4 + q2 - q3)/Cs
        U5' = (I5 + q1 - q3)/Cs
        U6' = (-I6 - q2 + q4)/Cs
        U7' = (-U7/50 + q1 + q2 - q3 - q4)/1e-8
        I1' = -U1/4.45
        I2' = -U2/4.45
        I3' = (U1/2 - U3 - 17.3*I3)/Ls
        I4' = (-U1/2 + U4 - 17.3*I4)/Ls
        I5' = (U2/2 - U5 - 17.3*I5)/Ls
        I6' = (-U2/2 + U6 - 17.3*I6)/Ls
        I7' = (-U1 + amplitude*sin(2e3*pi*t) - (50 + 36.3)*I7)/2e-3
        I8' = (-U2 - (600 + 36.3)*I8)/2e-3

        q1 = 40.67286402e-9*(exp(17.7493332*(U3 - U5 - U7 - carrier)) - 1)
        q2 = 40.67286402e-9*(exp(17.7493332*(-U4 + U6 - U7 - carrier)) - 1)
        q3 = 40.67286402e-9*(exp(17.7493332*(U4 + U5 + U7 + carrier)) - 1)
        q4 = 40.67286402e-9*(exp(17.7493332*(-U3 - U6 + U7 + carrier)) - 1)
        carrier = 2*sin(2e4*pi*t)
        """,
        states={f"U{i}": 0.0 for i in range(1, 8)} | {f"I{i}": 0.0 for i in range(1, 9)},
        parameters={"amplitude": 0.5},
        constants={"R": 25e3, "C": 1.6e-8, "Cs": 2e-12, "Ls": 5e-4},
        name="ring_modulator",
    )


def medical_akzo() -> ode.System:
    """Free antibodies are y[1], y[3], …; tissue that can bind them is y[2], y[4], …."""
    return ode.System(
        """
        y[1]' = beta[1]*(phi - 2*y[1] + y[3]) + alpha[1]*(y[3] - phi) - k*y[1]*y[2]
        y[2*j-1]' = beta[j]*(y[2*j-3] - 2*y[2*j-1] + y[2*j+1]) + alpha[j]*(y[2*j+1] - y[2*j-3]) \
            - k*y[2*j-1]*y[2*j] for j in 2..199
        y[399]' = -k*y[399]*y[400]
        y[2*j]' = -k*y[2*j-1]*y[2*j] for j in 1..200
        beta[j] = ((j/200 - 1)^2/4)^2*200^2 for j in 1..199
        alpha[j] = 2*(j/200 - 1)*(j/200 - 1)^2/16*100 for j in 1..199
        phi = where(t <= 5, 2, 0)
        """,
        states={"y": [0.0, 1.0] * 200},
        parameters={"k": 100.0},
        name="medical_akzo",
    )


def brusselator(states: int) -> ode.System:
    """The Brusselator with diffusion on a line: at each point its two substances, side by side."""
    n = states // 2
    places = np.arange(1, n + 1) / (n + 1)
    return ode.System(
        f"""
        y[1]' = 1 + y[1]^2*y[2] - 4*y[1] + d*(1 - 2*y[1] + y[3])
        y[2]' = 3*y[1] - y[1]^2*y[2] + d*(3 - 2*y[2] + y[4])
        y[2*i-1]' = 1 + y[2*i-1]^2*y[2*i] - 4*y[2*i-1] + d*(y[2*i-3] - 2*y[2*i-1] + y[2*i+1]) \
            for i in 2..{n - 1}
        y[2*i]' = 3*y[2*i-1] - y[2*i-1]^2*y[2*i] + d*(y[2*i-2] - 2*y[2*i] + y[2*i+2]) \
            for i in 2..{n - 1}
        y[{2 * n - 1}]' = 1 + y[{2 * n - 1}]^2*y[{2 * n}] - 4*y[{2 * n - 1}] \
            + d*(y[{2 * n - 3}] - 2*y[{2 * n - 1}] + 1)
        y[{2 * n}]' = 3*y[{2 * n - 1}] - y[{2 * n - 1}]^2*y[{2 * n}] \
            + d*(y[{2 * n - 2}] - 2*y[{2 * n}] + 3)
        d = a*{n + 1}^2
        """,
        states={"y": np.stack([1 + np.sin(2 * np.pi * places), np.full(n, 3.0)], 1).ravel()},
        parameters={"a": 0.02},
        name=f"brusselator_{states}",
    )


def _pull(star: int, axis: str) -> str:
    """What all others do to a star: each has its number as its mass."""
    return " + ".join(
        f"{other}*({axis}[{other}] - {axis}[{star}])*pull{min(star, other)}{max(star, other)}"
        for other in range(1, 8)
        if other != star
    )


def pleiades() -> ode.System:
    """Star i has a mass of i; `scale` is that of all masses."""
    return ode.System(
        [
            "x[i]' = u[i] for i in 1..7",
            "y[i]' = v[i] for i in 1..7",
            *(f"u[{star}]' = scale*({_pull(star, 'x')})" for star in range(1, 8)),
            *(f"v[{star}]' = scale*({_pull(star, 'y')})" for star in range(1, 8)),
            *(
                f"pull{i}{j} = 1/(far{i}{j}*sqrt(far{i}{j})); "
                f"far{i}{j} = (x[{j}] - x[{i}])^2 + (y[{j}] - y[{i}])^2"
                for i in range(1, 8)
                for j in range(i + 1, 8)
            ),
        ],
        states={
            "x": [3.0, 3.0, -1.0, -3.0, 2.0, -2.0, 2.0],
            "y": [3.0, -3.0, 2.0, 0.0, 0.0, -4.0, 4.0],
            "u": [0.0, 0.0, 0.0, 0.0, 0.0, 1.75, -1.5],
            "v": [0.0, 0.0, 0.0, -1.25, 1.0, 0.0, 0.0],
        },
        parameters={"scale": 1.0},
        name="pleiades",
    )


# Large ones, whose factors fill in; of `stiff_large.py` alone.


def brusselator_on_torus(points: int) -> ode.System:
    """The Brusselator with diffusion on a torus of points by points [HW, IV.10]."""
    numbers = np.arange(points) / points
    x, y = np.meshgrid(numbers, numbers, indexing="ij")

    def around(name: str, i: int, j: int) -> str:
        near = ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1))
        terms = (f"{name}[{a % points * points + b % points + 1}]" for a, b in near)
        return f"d*({' + '.join(terms)} - 4*{name}[{i * points + j + 1}])"

    places = [(i, j, i * points + j + 1) for i in range(points) for j in range(points)]
    return ode.System(
        [
            *(
                f"u[{p}]' = 1 + u[{p}]^2*v[{p}] - 4.4*u[{p}] + {around('u', i, j)}"
                for i, j, p in places
            ),
            *(
                f"v[{p}]' = 3.4*u[{p}] - u[{p}]^2*v[{p}] + {around('v', i, j)}"
                for i, j, p in places
            ),
            f"d = a*{points**2}",
        ],
        states={"u": (22 * y * (1 - y) ** 1.5).ravel(), "v": (27 * x * (1 - x) ** 1.5).ravel()},
        parameters={"a": 0.1},
        name=f"brusselator_on_torus_{points}",
    )


def network(nodes: int) -> ode.System:
    """Nodes that all excite or inhibit each other, of time constants over four decades."""
    draw = np.random.default_rng(0)
    weights = 1.5 * draw.normal(size=(nodes, nodes)) / np.sqrt(nodes)
    rates = 10 ** draw.uniform(0, 4, nodes)
    heard = [" + ".join(f"{w:.6f}*r{j}" for j, w in enumerate(row)) for row in weights]
    return ode.System(
        [
            *(
                f"x{i}' = {rates[i]:.8g}*(-x{i} + {heard[i]} + amplitude*sin(t + {i % 7}))"
                for i in range(nodes)
            ),
            *(f"r{i} = tanh(x{i})" for i in range(nodes)),
        ],
        states={f"x{i}": 0.1 * (i % 3) for i in range(nodes)},
        parameters={"amplitude": 1.0},
        name=f"network_{nodes}",
    )


SYSTEMS = {
    "robertson": robertson,
    "robertson-late": robertson,
    "hires": hires,
    "orego": oregonator,
    "pollu": pollution,
    "van-der-pol": van_der_pol,
    "ring-modulator": ring_modulator,
    "medakzo": medical_akzo,
    **{f"brusselator-{states}": partial(brusselator, states) for states in (16, 32, 64)},
    "pleiades": pleiades,
}
