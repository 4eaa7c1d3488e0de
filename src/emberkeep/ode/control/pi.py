"""Proportional-integral control of the step (Gustafsson 1991; Hairer & Wanner, Solving ODEs II).

The next step is this one times ``SAFETY · error^-A · previous error^B``, where 1 is the largest
error that is accepted. A and B, about 0.7 and 0.4 over the order, are rounded to sixteenths, so
that their powers are square roots alone: those are exactly rounded on every machine, so CPU and GPU
choose the same steps, and they are single instructions for whole vectors.
"""

from __future__ import annotations

SIXTEENTHS = 16
# Roots of the squared error, by how many sixteenths of a power of the error they are.
ROOTS = {16: "root", 8: "half", 4: "quarter", 2: "eighth", 1: "sixteenth"}


def source(order: int) -> str:
    """The controller for a method of this order."""
    integral = max(1, round(SIXTEENTHS * 0.7 / order))
    proportional = max(1, round(SIXTEENTHS * 0.4 / order))
    return f'''
def controller(squared_error, memory):
    """Whether a step is accepted, the factor for the next one, and what to remember.

    The factor is error^(-{integral}/16) times the previous error^({proportional}/16). The memory
    holds the latter, negative after a rejected step: then the next one does not grow. Single
    precision is plenty here.
    """
    # Written so that not-a-number counts as too large.
    accepted = squared_error <= 1
    bounded = single(squared_error if squared_error < LARGE else LARGE)
    bounded = bounded if bounded > SMALL else SMALL
    root = math.sqrt(bounded)
    half = math.sqrt(root)
    quarter = math.sqrt(half)
    eighth = math.sqrt(quarter)
    sixteenth = math.sqrt(eighth)
    factor = SAFETY / {_product(integral)}
    grown = factor * abs(single(memory))
    most = MOST if memory > 0 else ONE
    grown = grown if grown < most else most
    factor = grown if accepted else factor
    factor = factor if factor > LEAST else LEAST
    remembered = {_product(proportional)}
    memory = remembered if accepted else -abs(single(memory))
    return accepted, factor, memory
'''


CONSTANTS = """
# Of the controller: the bounds of the squared error, and of the factor between two steps.
LARGE, SMALL = single(1e12), single(1e-12)
SAFETY, LEAST, MOST, ONE = single(0.9), single(0.2), single(10), single(1)
"""


def _product(sixteenths: int) -> str:
    """A power of the error as a product of its roots."""
    names = [name for part, name in ROOTS.items() if sixteenths & part]
    return names[0] if len(names) == 1 else f"({' * '.join(names)})"
