"""Where things stand in a pattern's array, and what is noted while it is evaluated.

A pattern is an array of 32-bit numbers:

    0  version              8  rows that are eliminated
    1  rows n               vertex[n]            the vertex of each row
    2  vertices             block_begin[n]       the first row of its component
    3  edges m              block_end[n]         the row after its last
    4  entries of L         edge_begin[n], edge_end[n]   its edges
    5  entries of U         column[m]            the row that an edge leads to; n at an end
    6, 7  unused            lower_starts[n + 1], lower[…], upper_starts[n + 1], upper[…]
"""

VERSION = 1
HEADER = 9
# Where things stand in the array's beginning.
ROWS, VERTICES, EDGES, LOWER, UPPER, ELIMINATED = 1, 2, 3, 4, 5, 8

FORWARD, TRANSPOSED = 0, 1
GOOD, BAD_WEIGHT = -2, -1  # what is noted of a parameter vector, where it is no row

# A tape's operations, and the slot of its first constant.
MULTIPLY, DIVIDE = 0, 1
ONE = 0
