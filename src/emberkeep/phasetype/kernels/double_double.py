# pyright: basic
"""Vectors and matrices of numbers that are not negative, in twice the digits of a float.

A number is the sum of two floats, the second of which is the rounding of the first (Dekker, Numer.
Math. 18, 1971; Joldes, Muller and Popescu, ACM Trans. Math. Softw. 44, 2017). As nothing is
subtracted but roundings, each sum and product is right to 2^-103 of itself. No liberty with
arithmetic may be taken here.

What numba compiles: types are in the signatures, memory is given, nothing is allocated.
"""

import numpy as np

from emberkeep.targets.kernel import kernel

OWN = ("emberkeep.phasetype.kernels",)
HALVES = 134217729.0  # 2^27 + 1: splits a float into halves whose products are exact
TINY = 1e-300  # what is less has not the digits of two floats, and costs a processor's time


@kernel(
    "float64[:, ::1], float64[:, ::1], float64[::1], float64[::1], float64[:, ::1], "
    "float64[:, ::1], uint64[:, ::1], int64, float64[:, ::1], float64[:, ::1], float64[:, ::1], "
    "float64[:, ::1], uint64[:, ::1]",
    name="doubled_product",
    own=OWN,
)
def multiply(
    i,
    rows,
    rows_more,
    factors,
    factors_more,
    matrix,
    matrix_more,
    spans,
    adds,
    added,
    added_more,
    product,
    product_more,
    product_spans,
):
    """A row, times a factor, times a matrix whose row k is zero outside of `spans[k]`.

    Each number is followed by what it was rounded by. What is `added` comes on top, if it `adds`.
    """
    size = np.uint64(matrix.shape[0])  # without a sign, so that loops become vectors
    high, low = product[i], product_more[i]
    if adds:
        for j in range(size):
            high[j] = added[i, j]
            low[j] = added_more[i, j]
    else:
        for j in range(size):
            high[j] = 0.0
            low[j] = 0.0
    for k in range(size):
        if rows[i, k] == 0.0:
            continue
        a, a_more = _times(rows[i, k], rows_more[i, k], factors[i], factors_more[i])
        t = HALVES * a
        a1 = t - (t - a)
        a2 = a - a1
        right, right_more = matrix[k], matrix_more[k]
        for j in range(spans[k, 0], spans[k, 1]):
            b = right[j]
            p = a * b
            t = HALVES * b
            b1 = t - (t - b)
            b2 = b - b1
            e = ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2
            e += a * right_more[j] + a_more * b
            h = high[j]
            s = h + p
            z = s - h
            e += (h - (s - z)) + (p - z)
            e += low[j]
            h = s + e
            high[j] = h
            low[j] = e - (h - s)
    begin, end = size, np.uint64(0)
    for j in range(size):
        if high[j] < TINY:
            high[j] = 0.0
            low[j] = 0.0
        else:
            begin = min(begin, j)
            end = j + np.uint64(1)
    product_spans[i, 0] = begin
    product_spans[i, 1] = end


def _times(a, a_more, b, b_more):
    p = a * b
    t = HALVES * a
    a1 = t - (t - a)
    a2 = a - a1
    t = HALVES * b
    b1 = t - (t - b)
    b2 = b - b1
    e = ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2
    e += a * b_more + a_more * b
    h = p + e
    return h, e - (h - p)
