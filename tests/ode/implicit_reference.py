"""Implicit steps in plain Python, for whatever numbers, and what tests of their tableaux share."""

from decimal import Decimal
from fractions import Fraction

from sympy import Poly, Rational, symbols

from emberkeep.ode.methods.order_conditions import defects, density, trees
from emberkeep.ode.methods.stability import solution

# As few trees as prove that an order is not exceeded.
MISSED = 1e-7


# Steps ------------------------------------------------------------------------------------------


def rosenbrock_ks(tableau, problem, t, y, h, matrix=None):
    """The k of all stages, with the Jacobian or any matrix in its place."""
    f, jacobian, slope_in_time = problem
    shape = range(len(y))
    jacobian = jacobian(t, y) if matrix is None else matrix
    in_time = slope_in_time(t, y)
    inverse = 1 / tableau.gamma
    w = [[inverse * (i == j) - h * jacobian[i][j] for j in shape] for i in shape]
    found = []
    rows = zip(
        tableau.nodes,
        tableau.time_weights,
        ((), *tableau.stages),
        ((), *tableau.couplings),
        strict=True,
    )
    for node, weight, stages, couplings in rows:
        slopes = f(t + node * h, moved(y, h, stages, found))
        coupled = moved([0] * len(y), 1, couplings, found)
        sides = [slopes[i] + coupled[i] + h * weight * in_time[i] for i in shape]
        found.append(solution(w, sides))
    return found


def implicit_slopes(tableau, problem, t, y, h):
    """The slopes of all stages, which converge by themselves as steps are short."""
    f = problem[0]
    found = [f(t, y)] * tableau.count
    for _ in range(TURNS):
        found = [
            f(t + node * h, moved(y, h, row, found))
            for node, row in zip(tableau.nodes, tableau.matrix, strict=True)
        ]
    return found


TURNS = 22


def moved(y, h, weights, found):
    """The states moved by so much of each slope."""
    pairs = list(zip(weights, found, strict=False))
    return [value + h * sum(w * k[i] for w, k in pairs if w) for i, value in enumerate(y)]


def bell(t, y):
    """u(t) = 1 / (1 + t²) and v(t) = (1 + t) u(t); what keeps them together is not linear."""
    u, v = y
    apart = v - (1 + t) * u
    return [-2 * t * u * u + apart * v, u - 2 * t * u * v + apart * (1 + u)]


def bells_jacobian(t, y):
    u, v = y
    apart, slope = v - (1 + t) * u, -(1 + t)
    return [
        [-4 * t * u + slope * v, v + apart],
        [1 - 2 * t * v + slope * (1 + u) + apart, -2 * t * u + 1 + u],
    ]


def bells_slope_in_time(t, y):
    u, v = y
    return [-2 * u * u - u * v, -2 * u * v - u * (1 + u)]


BELL = (bell, bells_jacobian, bells_slope_in_time)


def bells_solution(t):
    u = 1 / (1 + t * t)
    return [u, (1 + t) * u]


def distance(found, t):
    return sum(abs(one - known) for one, known in zip(found, bells_solution(t), strict=True))


START = Decimal("0.3")


SPAN = Decimal("0.02")
# Steps of high orders are so right that digits of published numbers show, unless they are long.
LONG_SPAN = Decimal("0.4")


def at_end(tableau, stages):
    """The error after a span, by how many steps are taken; `stages` are a step's."""
    span = LONG_SPAN if tableau.order > 5 else SPAN

    def error(count):
        h, t, y = span / count, START, bells_solution(START)
        for _ in range(count):
            y = moved(y, h, tableau.weights, stages(tableau, BELL, t, y, h))
            t += h
        return distance(y, t)

    return error


def inside(tableau, stages):
    """The largest error within one step, by what part of the span it is."""

    def error(count):
        h, y = SPAN / count, bells_solution(START)
        found = stages(tableau, BELL, START, y, h)
        errors = []
        for theta in (Decimal("0.3"), Decimal("0.5"), Decimal("0.8")):
            weights = [
                sum(c * theta**power for power, c in enumerate(row, 1))
                for row in tableau.interpolant
            ]
            errors.append(distance(moved(y, h, weights, found), START + theta * h))
        return max(errors)

    return error


def power(error, count):
    """The power of the step by which an error falls, from one to half of it."""
    return float((error(count) / error(2 * count)).ln() / Decimal(2).ln())


def decimals(tableau):
    """A tableau with Decimals for its Fractions and doubles."""

    def turned(value):
        if isinstance(value, tuple):
            return tuple(map(turned, value))
        if isinstance(value, Fraction):
            return Decimal(value.numerator) / Decimal(value.denominator)
        return Decimal(value) if isinstance(value, float) else value

    kept = {"order", "error_order", "interpolant_order"}
    fields = vars(tableau).items()
    return type(tableau)(**{name: one if name in kept else turned(one) for name, one in fields})


# Conditions -------------------------------------------------------------------------------------


def worst(weights, differentials, order):
    """The largest defect of all trees up to an order."""
    sizes = range(1, order + 1)
    return max(abs(d) for size in sizes for _, d in defects(weights, differentials, size))


def missed(weights, differentials, order):
    """By how much sums miss what the trees of an order ask for."""
    return max(abs(d) / density(tree) for tree, d in defects(weights, differentials, order))


def worst_within(tableau, differentials):
    """The largest defect of the interpolant: each power of θ by itself."""
    found = [0]
    for column, weights in enumerate(zip(*tableau.interpolant, strict=True), 1):
        for size in range(1, tableau.interpolant_order + 1):
            for tree in trees(size):
                values = differentials(tree)
                share = sum(w * v for w, v in zip(weights, values, strict=True))
                found.append(abs(share * density(tree) - (size == column)))
    return max(found)


# Stability --------------------------------------------------------------------------------------


def chain(size):
    """The tree without a fork: what a linear equation has of them."""
    return () if size == 1 else (chain(size - 1),)


def numerator(weights, differentials, denominator):
    """The polynomial P of R = P/Q, from the beginning of the series of R."""
    series = [1]
    for size in range(1, len(denominator)):
        values = differentials(chain(size))
        series.append(Fraction(sum(w * v for w, v in zip(weights, values, strict=True))))
    return [
        sum(series[place - k] * denominator[k] for k in range(place + 1))
        for place in range(len(denominator))
    ]


def is_bounded_on_imaginary_axis(above, below):
    """Whether |P(iy)| ≤ |Q(iy)| for all real y: a polynomial in y² without a change of sign."""
    x = symbols("x")
    difference = Poly(squared(below, x) - squared(above, x), x)
    if difference.is_zero:
        return True
    while not difference.eval(0):
        difference = Poly(difference.as_expr() / x, x)
    free = difference.quo(difference.gcd(difference.diff()))
    return difference.eval(0) > 0 and free.count_roots(0, None) == 0


def squared(coefficients, x):
    """|P(iy)|² with x = y²."""
    exactly = [Rational(one.numerator, one.denominator) for one in map(Fraction, coefficients)]
    even = sum(one * (-x) ** (place // 2) for place, one in enumerate(exactly) if not place % 2)
    odd = sum(one * (-x) ** (place // 2) for place, one in enumerate(exactly) if place % 2)
    return even**2 + x * odd**2


# Documents --------------------------------------------------------------------------------------


def stability(tableau):
    """How a table says it: A and L by themselves, or with their angle."""
    if abs(tableau.value_at_infinity) > 1 + 1e-9:
        return "no"
    letter = "L" if abs(tableau.value_at_infinity) < 1e-9 else "A"
    angle = tableau.stability_angle
    return letter if angle == 90 else f"{letter}({angle:.1f}°)"


def left(defect):
    """What the digits of a method leave of its conditions."""
    return "0" if defect < 1e-30 else f"{float(defect):.0e}"


def dense(tableau):
    """The order of values within a step, or that steps end at times to save."""
    return str(tableau.dense_order) if tableau.interpolates else "ends"


def line(*cells):
    return "| " + " | ".join(map(str, cells)) + " |"


# Stiff systems ----------------------------------------------------------------------------------

# Of x' = z (x - g(t)) + g'(t), by steps of length 1; and what is more than digits leave.
STIFF = Decimal(-(10**6))
SOMETHING = Decimal("1e-3")
HIGHEST = 9


def stiff_order(tableau, error, at_infinity):
    """The power of the step by which errors fall where z is large, and whether they do with λ.

    As the equation is linear, it is enough to take g = t, t², … one by one: an error of the k-th is
    of the power k where z is large, or of k - 1 where it falls with z = λh. Errors of all steps add
    up where they do not decay.
    """
    errors = [error(tableau, power) for power in range(1, HIGHEST)]
    adds_up = abs(at_infinity - 1) < SOMETHING
    for power, one in enumerate(errors, 1):
        if abs(one) > SOMETHING:
            return power - adds_up, False
    falling = (power for power, one in enumerate(errors, 1) if abs(one * STIFF) > SOMETHING)
    return next(falling) - 1, True


def powers(power):
    """The equation whose solution is t^power."""

    def f(t, y):
        return [STIFF * (y[0] - t**power) + power * (t ** (power - 1) if power > 1 else 1)]

    def jacobian(t, y):
        return [[STIFF]]

    def in_time(t, y):
        slope = power * (t ** (power - 1) if power > 1 else 1)
        second = power * (power - 1) * (t ** (power - 2) if power > 2 else 1)
        return [second - STIFF * slope]

    return f, jacobian, in_time


def rosenbrock_error(tableau, power):
    """The error of a step on such an equation."""
    return rosenbrock_sum(tableau, power, tableau.weights) - 1


def rosenbrock_sum(tableau, power, weights):
    """What weights take of the k of such a step."""
    zero = Decimal(0)
    found = rosenbrock_ks(tableau, powers(power), zero, [zero], Decimal(1))
    return moved([zero], 1, weights, found)[0]


def implicit_error(tableau, power):
    """The error of a step on such an equation, whose stages are found at once."""
    f = powers(power)[0]
    sides = [f(node, [Decimal(0)])[0] for node in tableau.nodes]
    matrix = [
        [(i == j) - STIFF * a for j, a in enumerate(row)] for i, row in enumerate(tableau.matrix)
    ]
    slopes = solution(matrix, sides)
    return sum(b * k for b, k in zip(tableau.weights, slopes, strict=True)) - 1


def when_stiff(order):
    """How a table says it."""
    power, falls = order
    return f"{power}, 1/λ" if falls else str(power)
