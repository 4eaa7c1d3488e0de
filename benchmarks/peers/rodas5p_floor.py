"""Rodas5P for one problem of the stiff set, as CUDA C++: the floor on a GPU.

    rodas5p_floor.py PROBLEM

A thread is a trajectory. What one would write by hand with patience: the Jacobian's zeros are left
out, the matrix is factored along an order of Markowitz's, in straight lines and with all pivots on
the diagonal, and nothing is in memory but what registers cannot hold: without the 1 in its bounds,
a compiler takes 32 of them for POLLU, and five times as long. NVRTC compiles it, or
`nvcc -O3 -arch=native -cubin`; its entry is `entry(problem)`, its arguments those of `TEMPLATE`.
It needs SymPy.
"""

import re
import sys
from collections.abc import Iterable

import sympy
from stiff_problems import PROBLEMS, StiffProblem

# Steinebach, BIT 63:27 (2023); in the form that needs no product with the Jacobian.
GAMMA = 0.21193756319429014
A = (
    (),
    (3.0,),
    (2.849394379747939, 0.45842242204463923),
    (-6.954028509809101, 2.489845061869568, -10.358996098473584),
    (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
    (
        -7.502846399306121,
        2.561846144803919,
        -11.627539656261098,
        -0.18268767659942256,
        0.030198172008377946,
    ),
)
STAGES = 8  # the last ones begin where those before have led; the last increment is the error
C = (
    (),
    (-14.155112264123755,),
    (-17.97296035885952, -2.859693295451294),
    (147.12150275711716, -1.41221402718213, 71.68940251302358),
    (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
    (
        24.854864614690072,
        -3.0009227002832186,
        47.4931110020768,
        5.5814197821558125,
        -0.6610691825249471,
    ),
    (
        30.91273214028599,
        -3.1208243349937974,
        77.79954646070892,
        34.28646028294783,
        -19.097331116725623,
        -28.087943162872662,
    ),
    (
        37.80277123390563,
        -3.2571969029072276,
        112.26918849496327,
        66.9347231244047,
        -40.06618937091002,
        -54.66780262877968,
        -9.48861652309627,
    ),
)
TEMPLATE = """
extern "C" __global__ void __launch_bounds__(128, 1)
    {entry}(const double *given, double *out, int *tried, int n,
            double end, double rtol, double atol)
{{
    int i = blockIdx.x*blockDim.x + threadIdx.x;
    if (i >= n) return;
    double p = given[i], t = 0, h = 1e-6;
    double {start};
    int steps = 0;
    while (t < end && steps < 200000) {{
        h = h < end - t ? h : end - t;
        double per = 1/h, diagonal = per*{per_gamma!r}, error = 0;
{step}
        error = sqrt(error*{per_state!r});
        double factor = error > 1e-10 ? 0.9*powf((float)error, -0.2f) : 6;
        factor = factor < 0.2 ? 0.2 : factor < 6 ? factor : 6;
        if (error <= 1) {{
            t = h >= end - t ? end : t + h;
            {accepted}
        }} else if (!(factor < 1)) {{
            factor = error > 1 ? 1 : 0.2;  // it may be no number
        }}
        h *= factor;
        steps++;
    }}
    {results}
    tried[i] = steps;
}}
"""


class Elimination:
    """The order of pivots, and where their factors are not zero.

    Args:
        count: of states.
        pattern: places of the Jacobian that are not always zero.
    """

    def __init__(self, count: int, pattern: Iterable[tuple[int, int]]) -> None:
        self.places = {*pattern, *((i, i) for i in range(count))}
        self.order: list[int] = []
        remaining = set(range(count))
        while remaining:
            pivot = min(remaining, key=lambda one: (self._work(one, remaining), one))
            remaining.discard(pivot)
            self.order.append(pivot)
            self.places |= {
                (i, j)
                for i in remaining
                if (i, pivot) in self.places
                for j in remaining
                if (pivot, j) in self.places
            }

    def _work(self, pivot: int, remaining: set[int]) -> int:
        below = sum((i, pivot) in self.places for i in remaining if i != pivot)
        return below * sum((pivot, j) in self.places for j in remaining if j != pivot)

    def after(self, pivot: int) -> list[int]:
        """Pivots that come later."""
        return self.order[self.order.index(pivot) + 1 :]

    def factors(self) -> list[str]:
        """Lines that turn the matrix into its factors; those of pivots are their inverses."""
        lines = []
        for pivot in self.order:
            lines.append(f"m{pivot}_{pivot} = 1/m{pivot}_{pivot};")
            row = [j for j in self.after(pivot) if (pivot, j) in self.places]
            for i in self.after(pivot):
                if (i, pivot) in self.places:
                    lines.append(f"m{i}_{pivot} *= m{pivot}_{pivot};")
                    lines += [f"m{i}_{j} -= m{i}_{pivot}*m{pivot}_{j};" for j in row]
        return lines

    def solution(self, vector: str) -> list[str]:
        """Lines that solve for a vector, in its place."""
        lines = [
            f"{vector}{i} -= m{i}_{pivot}*{vector}{pivot};"
            for pivot in self.order
            for i in self.after(pivot)
            if (i, pivot) in self.places
        ]
        for pivot in reversed(self.order):
            row = [j for j in self.after(pivot) if (pivot, j) in self.places]
            less = "".join(f" - m{pivot}_{j}*{vector}{j}" for j in row)
            lines.append(f"{vector}{pivot} = ({vector}{pivot}{less})*m{pivot}_{pivot};")
        return lines


def entry(problem: StiffProblem) -> str:
    """The kernel's name."""
    return problem.name.replace("-", "_")


def kernel(problem: StiffProblem) -> str:
    """The kernel's text."""
    states = sympy.symbols(f"y:{len(problem.start)}")
    slopes = [
        sympy.sympify(each)
        for each in problem.slopes(sympy.Symbol("t"), states, sympy.Symbol("p"), sympy)
    ]
    jacobian = {
        (i, j): slope.diff(state)
        for i, slope in enumerate(slopes)
        for j, state in enumerate(states)
        if slope.has(state)
    }
    elimination = Elimination(len(states), jacobian)
    common, values = sympy.cse(slopes, symbols=sympy.numbered_symbols("c"))
    lines = matrix(jacobian, elimination)
    lines += elimination.factors()
    for stage in range(STAGES):
        lines += stage_at(stage, common, values)
        lines += elimination.solution(f"k{stage}_")
    for d in range(len(states)):
        lines.append(f"double n{d} = w{STAGES - 1}_{d} + k{STAGES - 1}_{d};")
        lines.append(f"{{ double a = fabs(y{d}), b = fabs(n{d});")
        lines.append(
            f"  double e = k{STAGES - 1}_{d}/(atol + rtol*(a > b ? a : b)); error += e*e; }}"
        )
    return TEMPLATE.format(
        entry=entry(problem),
        start=", ".join(f"y{d} = {value!r}" for d, value in enumerate(problem.start)),
        per_gamma=1 / GAMMA,
        per_state=1 / len(states),
        step="\n".join(f"        {line}" for line in lines),
        accepted=" ".join(f"y{d} = n{d};" for d in range(len(states))),
        results=" ".join(f"out[(size_t){d}*n + i] = y{d};" for d in range(len(states))),
    )


def matrix(jacobian: dict[tuple[int, int], sympy.Expr], elimination: Elimination) -> list[str]:
    """Lines for the identity over gamma and the step, less the Jacobian."""
    common, values = sympy.cse([*jacobian.values()], symbols=sympy.numbered_symbols("q"))
    lines = [f"double {name} = {written(value)};" for name, value in common]
    known = dict(zip(jacobian, values, strict=True))
    for i, j in sorted(elimination.places):
        less = f" - ({written(known[i, j])})" if (i, j) in known else ""
        lines.append(f"double m{i}_{j} = {'diagonal' if i == j else '0'}{less};")
    return lines


def stage_at(stage: int, common: list[tuple], values: list[sympy.Expr]) -> list[str]:
    """Lines for what a stage's increments are solved from."""
    count, lines = len(values), []
    for d in range(count):
        before = f"w{stage - 1}_{d} + k{stage - 1}_{d}"
        if stage < len(A):
            before = " + ".join([f"y{d}", *(f"{a!r}*k{j}_{d}" for j, a in enumerate(A[stage]))])
        lines.append(f"double w{stage}_{d} = {before};")
    lines.append(f"double {', '.join(f'k{stage}_{d}' for d in range(count))};")
    lines.append("{")
    lines += [f"double {name} = {written(value, f'w{stage}_')};" for name, value in common]
    for d, value in enumerate(values):
        others = " + ".join(f"{c!r}*k{j}_{d}" for j, c in enumerate(C[stage]))
        more = f" + per*({others})" if others else ""
        lines.append(f"k{stage}_{d} = {written(value, f'w{stage}_')}{more};")
    return [*lines, "}"]


def written(value: sympy.Expr, states: str = "y") -> str:
    """An expression in C, squares as products, of states by another name."""
    powers = [
        (lambda _, power: power == 2, lambda base, _: f"(({base})*({base}))"),
        (lambda *_: True, "pow"),
    ]
    text = sympy.ccode(value, user_functions={"Pow": powers})
    return re.sub(r"\by(\d+)\b", rf"{states}\1", text)


if __name__ == "__main__":
    print(kernel(next(problem for problem in PROBLEMS if problem.name == sys.argv[1])))
