# pyright: basic
"""SIMD by hand: eight numbers side by side, which LLVM turns into one vector instruction or two.

A loop over so few would be unrolled and stay scalar. Written out, with all loads before all stores,
it becomes vectors, for kernels that are declared with ``straight_vectors=True``.
"""

import numpy as np

LANES = 8


def place(slot):
    """Where a slot's numbers begin: without a sign, so that nobody asks whether it is negative."""
    return np.uint64(slot) * np.uint64(LANES)


def load(x, at):
    """Eight numbers."""
    return (
        x[at],
        x[at + np.uint64(1)],
        x[at + np.uint64(2)],
        x[at + np.uint64(3)],
        x[at + np.uint64(4)],
        x[at + np.uint64(5)],
        x[at + np.uint64(6)],
        x[at + np.uint64(7)],
    )


def store(x, at, values):
    """Put eight numbers down."""
    x[at] = values[0]
    x[at + np.uint64(1)] = values[1]
    x[at + np.uint64(2)] = values[2]
    x[at + np.uint64(3)] = values[3]
    x[at + np.uint64(4)] = values[4]
    x[at + np.uint64(5)] = values[5]
    x[at + np.uint64(6)] = values[6]
    x[at + np.uint64(7)] = values[7]


def same(value):
    """Eight times one number."""
    return (value, value, value, value, value, value, value, value)


def plus_product(a, x, y):
    """Sums: a + x y."""
    return (
        a[0] + x[0] * y[0],
        a[1] + x[1] * y[1],
        a[2] + x[2] * y[2],
        a[3] + x[3] * y[3],
        a[4] + x[4] * y[4],
        a[5] + x[5] * y[5],
        a[6] + x[6] * y[6],
        a[7] + x[7] * y[7],
    )


def minus_product(a, x, y):
    """Differences: a - x y."""
    return (
        a[0] - x[0] * y[0],
        a[1] - x[1] * y[1],
        a[2] - x[2] * y[2],
        a[3] - x[3] * y[3],
        a[4] - x[4] * y[4],
        a[5] - x[5] * y[5],
        a[6] - x[6] * y[6],
        a[7] - x[7] * y[7],
    )


def plus(x, y):
    """Sums."""
    return (
        x[0] + y[0],
        x[1] + y[1],
        x[2] + y[2],
        x[3] + y[3],
        x[4] + y[4],
        x[5] + y[5],
        x[6] + y[6],
        x[7] + y[7],
    )


def times(x, y):
    """Products."""
    return (
        x[0] * y[0],
        x[1] * y[1],
        x[2] * y[2],
        x[3] * y[3],
        x[4] * y[4],
        x[5] * y[5],
        x[6] * y[6],
        x[7] * y[7],
    )


def over(x, y):
    """Quotients."""
    return (
        x[0] / y[0],
        x[1] / y[1],
        x[2] / y[2],
        x[3] / y[3],
        x[4] / y[4],
        x[5] / y[5],
        x[6] / y[6],
        x[7] / y[7],
    )
