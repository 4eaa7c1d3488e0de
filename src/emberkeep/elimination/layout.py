"""Where things stand in a pattern's array, and what is noted while it is evaluated."""

VERSION = 1
HEADER = 9
# Where things stand in the array's beginning.
ROWS, VERTICES, EDGES, LOWER, UPPER, ELIMINATED = 1, 2, 3, 4, 5, 8

FORWARD, TRANSPOSED = 0, 1
GOOD, BAD_WEIGHT = -2, -1  # what is noted of a parameter vector, where it is no row

# A tape's operations, and the slot of its first constant.
MULTIPLY, DIVIDE = 0, 1
ONE = 0
