"""The stiff test set, written once for all tools, with end states of the literature.

`slopes(t, y, p, m)` takes and gives sequences of whatever a tool calculates with: numbers, arrays,
expressions; `m` has the functions: `exp`, `sin`, `sqrt`, `where`. Of each problem one parameter
varies between trajectories, evenly in its logarithm.

Sources: [TS] F. Mazzia & C. Magherini, *Test Set for Initial Value Problem Solvers*, release 2.4,
University of Bari (2008): equations and end states, as printed in its `solut` routines, computed
there in extended precision. [HW] E. Hairer & G. Wanner, *Solving Ordinary Differential Equations
II*, 2nd edition (1996). What has no end state in print has it in `stiff_ends.json` alone, which
`stiff_exact.py` computes.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import problems


class StiffProblem(NamedTuple):
    """Equations, their start and end, and the parameter that varies.

    Attributes:
        floor: of the size of states: an error counts relative to the larger of both, and a
            solver's `atol` is its `rtol` times this.
        usual: the parameter of the literature; `first` and `last` are those of a batch.
        printed: end states of the literature, by the number of the state.
        digits: to how many of them what is printed is right, relative to the larger of a state and
            the floor.
        band: how far from its diagonal the Jacobian goes, if not everywhere.
        arrays: the slopes of a whole array, where that is how one would write it with NumPy.
    """

    name: str
    title: str
    slopes: Callable[[Any, Sequence[Any], Any, Any], list[Any]]
    start: tuple[float, ...]
    end: float
    floor: float
    usual: float
    first: float
    last: float
    printed: Mapping[int, float] = {}
    digits: int = 12
    band: int | None = None
    arrays: Callable[[Any, Any, Any, Any], Any] | None = None


def robertson(_t, y, p, _m):
    a, b, c = y
    made, back, spent = p * a, 1e4 * b * c, 3e7 * b * b
    return [back - made, made - back - spent, spent]


def hires(_t, y, p, _m):
    """High irradiance response of plants; `p` is how fast two of its substances bind."""
    a, b, c, d, e, f, g, h = y
    bound = p * f * h
    return [
        -1.71 * a + 0.43 * b + 8.32 * c + 0.0007,
        1.71 * a - 8.75 * b,
        -10.03 * c + 0.43 * d + 0.035 * e,
        8.32 * b + 1.71 * c - 1.12 * d,
        -1.745 * e + 0.43 * f + 0.43 * g,
        -bound + 0.69 * d + 1.71 * e - 0.43 * f + 0.69 * g,
        bound - 1.81 * g,
        1.81 * g - bound,
    ]


def oregonator(_t, y, p, _m):
    a, b, c = y
    return [
        p * (b + a * (1.0 - 8.375e-6 * a - b)),
        (c - (1.0 + a) * b) / p,
        0.161 * (a - c),
    ]


def pollution(_t, y, p, _m):
    """Of the air, by Verwer: 25 reactions of 20 substances; `p` is the rate of the first one."""
    r1, r2, r3 = p * y[0], 26.6 * y[1] * y[3], 12300.0 * y[4] * y[1]
    r4, r5, r6 = 0.00086 * y[6], 0.00082 * y[6], 15000.0 * y[6] * y[5]
    r7, r8, r9 = 0.00013 * y[8], 24000.0 * y[8] * y[5], 16500.0 * y[10] * y[1]
    r10, r11, r12 = 9000.0 * y[10] * y[0], 0.022 * y[12], 12000.0 * y[9] * y[1]
    r13, r14, r15 = 1.88 * y[13], 16300.0 * y[0] * y[5], 4800000.0 * y[2]
    r16, r17, r18 = 0.00035 * y[3], 0.0175 * y[3], 1e8 * y[15]
    r19, r20, r21 = 4.44e11 * y[15], 1240.0 * y[16] * y[5], 2.1 * y[18]
    r22, r23, r24 = 5.78 * y[18], 0.0474 * y[0] * y[3], 1780.0 * y[18] * y[0]
    r25 = 3.12 * y[19]
    return [
        -r1 - r10 - r14 - r23 - r24 + r2 + r3 + r9 + r11 + r12 + r22 + r25,
        -r2 - r3 - r9 - r12 + r1 + r21,
        -r15 + r1 + r17 + r19 + r22,
        -r2 - r16 - r17 - r23 + r15,
        -r3 + 2.0 * r4 + r6 + r7 + r13 + r20,
        -r6 - r8 - r14 - r20 + r3 + 2.0 * r18,
        -r4 - r5 - r6 + r13,
        r4 + r5 + r6 + r7,
        -r7 - r8,
        -r12 + r7 + r9,
        -r9 - r10 + r8 + r11,
        r9,
        -r11 + r10,
        -r13 + r12,
        r14,
        -r18 - r19 + r16,
        -r20,
        r20,
        -r21 - r22 - r24 + r23 + r25,
        -r25 + r24,
    ]


def van_der_pol(_t, y, p, _m):
    a, b = y
    return [b, p * (1.0 - a * a) * b - a]


def ring_modulator(t, y, p, m):
    """A circuit of four diodes; `p` is the amplitude of the signal that is modulated."""
    signal, carrier = p * m.sin(2000.0 * math.pi * t), 2.0 * m.sin(20000.0 * math.pi * t)

    def diode(voltage):
        return 40.67286402e-9 * (m.exp(17.7493332 * voltage) - 1.0)

    d1, d2 = diode(y[2] - y[4] - y[6] - carrier), diode(y[5] - y[3] - y[6] - carrier)
    d3, d4 = diode(y[3] + y[4] + y[6] + carrier), diode(y[6] - y[2] - y[5] + carrier)
    return [
        (y[7] - 0.5 * y[9] + 0.5 * y[10] + y[13] - y[0] / 25e3) / 1.6e-8,
        (y[8] - 0.5 * y[11] + 0.5 * y[12] + y[14] - y[1] / 25e3) / 1.6e-8,
        (y[9] - d1 + d4) / 2e-12,
        (-y[10] + d2 - d3) / 2e-12,
        (y[11] + d1 - d3) / 2e-12,
        (-y[12] - d2 + d4) / 2e-12,
        (-y[6] / 50.0 + d1 + d2 - d3 - d4) / 1e-8,
        -y[0] / 4.45,
        -y[1] / 4.45,
        (0.5 * y[0] - y[2] - 17.3 * y[9]) / 5e-4,
        (-0.5 * y[0] + y[3] - 17.3 * y[10]) / 5e-4,
        (0.5 * y[1] - y[4] - 17.3 * y[11]) / 5e-4,
        (-0.5 * y[1] + y[5] - 17.3 * y[12]) / 5e-4,
        (-y[0] + signal - 86.3 * y[13]) / 2e-3,
        (-y[1] - 636.3 * y[14]) / 2e-3,
    ]


def akzo(t, y, p, m):
    """Antibodies that enter a tissue for five hours, and bind there (Akzo Nobel's medical problem).

    On 200 points of a coordinate in which the tissue has no end; `p` is how fast they bind.
    """
    outside, slopes = m.where(t <= 5.0, 2.0, 0.0), []
    for j in range(1, 200):
        before, here, after = y[2 * j - 4] if j > 1 else outside, y[2 * j - 2], y[2 * j]
        spread, drift = _tissue(j / 200.0)
        bound = p * here * y[2 * j - 1]
        slopes += [
            spread * (before - 2.0 * here + after) + drift * (after - before) - bound,
            -bound,
        ]
    bound = p * y[398] * y[399]
    return [*slopes, -bound, -bound]


def _tissue(zeta):
    """What second and first differences are multiplied with at a place."""
    return (zeta - 1.0) ** 4 / 16.0 * 200.0**2, (zeta - 1.0) ** 3 / 8.0 * 100.0


def akzo_arrays(t, y, p, m):
    """The same, of an array."""
    free, bound = y[0::2], p * y[0::2] * y[1::2]
    outside = m.where(t <= 5.0, 2.0, 0.0)
    around = m.concatenate([m.stack([outside + 0.0 * y[0]]), free])
    before, after = around[:-2], free[1:]
    spread, drift = _tissue(m.arange(1.0, 200.0) / 200.0)
    moved = spread * (before - 2.0 * free[:-1] + after) + drift * (after - before)
    moved = m.concatenate([moved, m.zeros(1)])
    return m.stack([moved - bound, -bound], -1).reshape(-1)


def brusselator(_t, y, p, _m):
    """With diffusion on a line whose ends are held; `p` is how fast it is [HW, IV.1]."""
    count = len(y) // 2
    spread, slopes = p * (count + 1) ** 2, []
    for i in range(count):
        u, v = y[2 * i], y[2 * i + 1]
        left = y[2 * i - 2 : 2 * i] if i else (1.0, 3.0)
        right = y[2 * i + 2 : 2 * i + 4] if i < count - 1 else (1.0, 3.0)
        slopes += [
            1.0 + u * u * v - 4.0 * u + spread * (left[0] - 2.0 * u + right[0]),
            3.0 * u - u * u * v + spread * (left[1] - 2.0 * v + right[1]),
        ]
    return slopes


def pleiades(t, y, p, m):
    """Seven stars: not stiff, for control. Here positions are in the order of the literature."""
    pairs = [value for k in range(7) for value in (y[k], y[k + 7])]
    moving = [value for k in range(14, 21) for value in (y[k], y[k + 7])]
    found = problems.pleiades(t, [*pairs, *moving], p, m.sqrt)
    return [*found[0:14:2], *found[1:14:2], *found[14::2], *found[15::2]]


def _diffusing(states):
    """The Brusselator on as many points as half of its states."""
    count = states // 2
    starts = (1.0 + math.sin(2.0 * math.pi * (i + 1) / (count + 1)) for i in range(count))
    return StiffProblem(
        f"brusselator-{states}",
        f"Brusselator in one dimension, {states} states, T = 10",
        brusselator,
        tuple(value for u in starts for value in (u, 3.0)),
        end=10.0,
        floor=1.0,
        usual=0.02,
        first=0.02 / math.sqrt(10.0),
        last=0.02 * math.sqrt(10.0),
        band=2,
    )


def _states(*values):
    return dict(enumerate(values))


_ROBERTSON = StiffProblem(
    "robertson",
    "Robertson, T = 1e5",
    robertson,
    (1.0, 0.0, 0.0),
    end=1e5,
    floor=1e-4,
    usual=0.04,
    first=0.04 / math.sqrt(10.0),
    last=0.04 * math.sqrt(10.0),
)
PROBLEMS = (
    _ROBERTSON,
    _ROBERTSON._replace(
        name="robertson-late",
        title="Robertson, T = 1e11",
        end=1e11,
        printed=_states(0.2083340149701255e-7, 0.8333360770334713e-13, 0.9999999791665050),
    ),
    StiffProblem(
        "hires",
        "HIRES, 8 states, T = 321.8122",
        hires,
        (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057),
        end=321.8122,
        floor=1e-4,
        usual=280.0,
        first=140.0,
        last=560.0,
        printed=_states(
            0.7371312573325668e-3,
            0.1442485726316185e-3,
            0.5888729740967575e-4,
            0.1175651343283149e-2,
            0.2386356198831331e-2,
            0.6238968252742796e-2,
            0.2849998395185769e-2,
            0.2850001604814231e-2,
        ),
    ),
    StiffProblem(
        "orego",
        "Oregonator, T = 360",
        oregonator,
        (1.0, 2.0, 3.0),
        end=360.0,
        floor=1.0,
        usual=77.27,
        first=74.0,
        last=80.0,
        printed=_states(1.000814870318523, 1228.178521549917, 132.0554942846706),
    ),
    StiffProblem(
        "pollu",
        "POLLU, 20 states, T = 60",
        pollution,
        tuple({1: 0.2, 3: 0.04, 6: 0.1, 7: 0.3, 8: 0.01, 16: 0.007}.get(i, 0.0) for i in range(20)),
        end=60.0,
        floor=1e-4,
        usual=0.35,
        first=0.35 / math.sqrt(10.0),
        last=0.35 * math.sqrt(10.0),
        printed=_states(
            0.5646255480022769e-1,
            0.1342484130422339,
            0.4139734331099427e-8,
            0.5523140207484359e-2,
            0.2018977262302196e-6,
            0.1464541863493966e-6,
            0.7784249118997964e-1,
            0.3245075353396018,
            0.7494013383880406e-2,
            0.1622293157301561e-7,
            0.1135863833257075e-7,
            0.2230505975721359e-2,
            0.2087162882798630e-3,
            0.1396921016840158e-4,
            0.8964884856898295e-2,
            0.4352846369330103e-17,
            0.6899219696263405e-2,
            0.1007803037365946e-3,
            0.1772146513969984e-5,
            0.5682943292316392e-4,
        ),
    ),
    StiffProblem(
        "van-der-pol",
        "Van der Pol, μ = 1000, T = 2000",
        van_der_pol,
        (2.0, 0.0),
        end=2000.0,
        floor=1e-3,
        usual=1000.0,
        first=900.0,
        last=1100.0,
        printed=_states(1.706167732170469, -0.8928097010248125e-3),
    ),
    StiffProblem(
        "ring-modulator",
        "Ring modulator, 15 states, T = 1e-3",
        ring_modulator,
        (0.0,) * 15,
        end=1e-3,
        floor=1e-3,
        usual=0.5,
        first=0.4,
        last=0.6,
        printed=_states(
            -0.2339057358486745e-1,
            -0.7367485485540825e-2,
            0.2582956709291169,
            -0.4064465721283450,
            -0.4039455665149794,
            0.2607966765422943,
            0.1106761861269975,
            0.2939904342435596e-6,
            -0.2840029933642329e-7,
            0.7267198267264553e-3,
            0.7929487196960840e-3,
            -0.7255283495698965e-3,
            -0.7941401968526521e-3,
            0.7088495416976114e-4,
            0.2390059075236570e-4,
        ),
        digits=8,
    ),
    StiffProblem(
        "medakzo",
        "Medical Akzo Nobel, 400 states, T = 20",
        akzo,
        (0.0, 1.0) * 200,
        end=20.0,
        floor=1e-4,
        usual=100.0,
        first=50.0,
        last=200.0,
        printed={
            78: 0.2339942217046434e-3,
            132: 0.3576835958481664e-3,
            170: 0.3085949832350532e-3,
            198: 0.1173741304462833e-3,
            199: 0.6190822732534586e-5,
        },
        digits=7,
        band=2,
        arrays=akzo_arrays,
    ),
    *(_diffusing(states) for states in (16, 32, 64)),
    StiffProblem(
        "pleiades",
        "Pleiades, 28 states, T = 3, not stiff",
        pleiades,
        tuple(
            value
            for pairs in (problems.STARS, problems.SPEEDS)
            for axis in (0, 1)
            for value in pairs[axis::2]
        ),
        end=3.0,
        floor=1.0,
        usual=1.0,
        first=0.998,
        last=1.0,
        printed=_states(
            0.3706139143970502,
            3.237284092057233,
            -3.222559032418324,
            0.6597091455775310,
            0.3425581707156584,
            1.562172101400631,
            -0.7003092922212495,
            -3.943437585517392,
            -3.271380973972550,
            5.225081843456543,
            -2.590612434977470,
            1.198213693392275,
            -0.2429682344935824,
            1.091449240428980,
            3.417003806314313,
            1.354584501625501,
            -2.590065597810775,
            2.025053734714242,
            -1.155815100160448,
            -0.8072988170223021,
            0.5952396354208710,
            -3.741244961234010,
            0.3773459685750630,
            0.9386858869551073,
            0.3667922227200571,
            -0.3474046353808490,
            2.344915448180937,
            -1.947020434263292,
        ),
        digits=10,
    ),
)
TOLERANCES = tuple(10.0**-digits for digits in range(4, 12))
SAMPLES = 8  # trajectories whose ends are compared: the literature's first


def parameters(problem: StiffProblem, count: int) -> list[float]:
    """Of a batch: the samples first, so that every tool has them, then as many others."""
    width = math.log(problem.last / problem.first)
    places = [i / (SAMPLES - 2) for i in range(SAMPLES - 1)]
    places += [i / max(count - SAMPLES, 1) for i in range(count - SAMPLES)]
    return [problem.usual, *(problem.first * math.exp(width * place) for place in places)][:count]


def ends(problem: StiffProblem) -> list[list[float]]:
    """Exact ends of the samples, as far as they are known; of the literature's first of all."""
    known = json.loads(Path(__file__).with_name("stiff_ends.json").read_text())
    return known.get(problem.name) or [[*problem.printed.values()]]
