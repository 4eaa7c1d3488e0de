"""A multistep method in plain Python: by differences of states, dense and by one trajectory.

Tests take it by `runpy.run_path`. Differences of another spacing are found from values of the
polynomial, not by the arithmetic of kernels.
"""

from math import factorial, sqrt

import numpy as np


def rising(x, count):
    """x (x + 1) … (x + count - 1) / count!"""
    product = 1.0
    for number in range(count):
        product *= x + number
    return product / factorial(count)


def respaced(differences, order, ratio):
    """The differences, by rows from y on, of another spacing, so many times as long."""
    places = -ratio * np.arange(order + 1)
    values = [
        sum(rising(place, row) * differences[row] for row in range(order + 1)) for place in places
    ]
    found = differences.copy()
    for row in range(order + 1):
        found[row] = values[0]
        values = [newer - older for newer, older in zip(values, values[1:], strict=False)]
    return found


def corrected(tableau, order, differences, problem, t, h):
    """The correction of a step that ends at t, by Newton's method to rounding."""
    slopes, jacobian = problem
    lead, sums = tableau.leads[order - 1], tableau.sums
    prediction = differences[: order + 1].sum(axis=0)
    known = sum(sums[row - 1] * differences[row] for row in range(1, order + 1)) / lead
    reach, correction = h / lead, np.zeros(len(prediction))
    for _ in range(20):
        y = prediction + correction
        w = np.eye(len(y)) - reach * jacobian(t, y)
        change = np.linalg.solve(w, reach * slopes(t, y) - known - correction)
        correction += change
        if np.abs(change).max() < 1e-14 * np.abs(y).max():
            break
    return correction


def followed(differences, order, correction):
    """The differences at the end of a step; row order + 2 is of what is corrected."""
    found = differences.copy()
    found[order + 2] = correction - differences[order + 1]
    found[order + 1] = correction
    for row in reversed(range(order + 1)):
        found[row] = found[row] + found[row + 1]
    return found


def steps(tableau, problem, exact, order, h, end):
    """The end by one order and length of steps, which begin with exact values."""
    values = [exact(-place * h) for place in range(order + 1)]
    differences = np.zeros((order + 3, len(values[0])))
    for row in range(order + 1):
        differences[row] = values[0]
        values = [newer - older for newer, older in zip(values, values[1:], strict=False)]
    for number in range(round(end / h)):
        correction = corrected(tableau, order, differences, problem, (number + 1) * h, h)
        differences = followed(differences, order, correction)
    return differences[0]


SAFETY, WORTHWHILE, PERIOD = 0.7, 1.2, 4  # as kernels have them


def integrated(tableau, problem, y, end, first, rtol, atol):
    """The end by chosen orders and lengths of steps, and how many of these were accepted."""
    slopes, _ = problem
    most, t, size, order, equal, accepted = tableau.order, 0.0, first, 1, 0, 0
    spacing, attempts = size, 0
    differences = np.zeros((most + 3, len(y)))
    differences[:2] = y, size * slopes(0.0, np.array(y))
    while t < end:
        h, attempts = min(size, end - t), attempts + 1
        if h != spacing:
            differences, equal, spacing = respaced(differences, order, h / spacing), 0, h
        before, prediction = differences[0], differences[: order + 1].sum(axis=0)
        unit = 1 / (atol + rtol * np.maximum(np.abs(before), np.abs(prediction)))
        correction = corrected(tableau, order, differences, problem, t + h, h)

        def error(row, number, unit=unit):
            return tableau.errors[number - 1] * sqrt(np.mean((row * unit) ** 2))

        own = error(correction, order)
        if own > 1:
            size = h * max(SAFETY * own ** (-1 / (order + 1)), 0.2)
            continue
        differences = followed(differences, order, correction)
        t, accepted, equal = t + h, accepted + 1, equal + 1
        size = h
        if equal <= order or attempts % PERIOD:
            continue
        growth = {order: own ** (-1 / (order + 1))}
        if order > 1:
            growth[order - 1] = error(differences[order], order - 1) ** (-1 / order)
        if order < most:
            growth[order + 1] = error(differences[order + 2], order + 1) ** (-1 / (order + 2))
        best = max(growth, key=growth.__getitem__)
        if SAFETY * growth[best] > WORTHWHILE:
            size, order, equal = h * min(SAFETY * growth[best], 10.0), best, 0
    return differences[0], accepted
