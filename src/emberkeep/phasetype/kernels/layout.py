# pyright: basic
"""Where everything is in the memory that observations of chains are worked out in.

It is given, as one row of numbers for each worker, so what needs it also says how much it needs:
both read one description here. All is in eights, a number for each of 8 chains side by side.

Parts of 8 chains come first, each as `part_size` says; then what all parts share. By step or time,
that is a number for each chain of all parts: their *width*.
"""

from emberkeep.elimination.kernels.lanes import LANES, place

FOUR = 4  # parts of 8 chains that are walked together
LOOK = 16  # steps between looks at which rows are empty; even
CHUNK = 128  # steps between one mixture and the next; a multiple of LOOK
LOOKS = CHUNK // LOOK
TILE = 4  # steps back between one sum by edge and the next

# What stands where in `counts`.
ROWS, EDGES, TIMES, DISCRETE, LEAST, MOST, DEPTH, PARTS, FIXED = 0, 1, 2, 3, 4, 5, 6, 7, 8
# What stands where in `moments`, by time, for each chain of all parts: a Poisson number's mean, its
# first value that counts and the one after the last, and the weight of the next one.
MEAN, LOW, HIGH, WEIGHT, FIELDS = 0, 1, 2, 3, 4
# What stands behind the rows of a part, for each chain: no number where weights are impossible; the
# rate; what is multiplied on what is watched; the first row that is not empty; what is left when
# a row is empty; what was dropped.
MARK, RATE, UNIT, FLOOR, LIMIT, DROPPED, SLOTS = 0, 1, 2, 3, 4, 5, 6


def part_size(rows, edges):
    """How many numbers 8 chains need.

    By edge p; by row, staying, watched, where they are, where they go; and slots.
    """
    return (edges + 4 * rows + SLOTS) * LANES


def slot(counts, which):
    """Where one of the slots behind the rows is."""
    return place(counts[EDGES] + 4 * counts[ROWS] + which)


def part_of(memory, part, size):
    """What one part has of something that each part has so much of."""
    return memory[part * size : (part + 1) * size]


# Forward ----------------------------------------------------------------------------------------


def value_layout(rows, edges, many, parts):
    """Where each region of `observe` begins, behind all parts, and where the last one ends.

    moments: windows, by time. series: what was seen, by step of a chunk. sums: by time. looks: what
    was left and what was dropped, by look at a chunk. trouble: by time, whether too much was
    dropped. wanted: by time, whose results. inverse: one over each step of a chunk.
    """
    width = parts * LANES
    moments = parts * part_size(rows, edges)
    series = moments + FIELDS * many * width
    sums = series + CHUNK * width
    looks = sums + many * width
    trouble = looks + 2 * LOOKS * width
    wanted = trouble + many * width
    inverse = wanted + many * width
    return moments, series, sums, looks, trouble, wanted, inverse, inverse + CHUNK


def along_layout(rows, edges, many, parts):
    """As `value_layout`, of `observe_along`.

    along: parts again, how they change. changed, changes: of sums, and of what was seen. spare:
    next weights of a mixture that has its own from another.
    """
    width = parts * LANES
    along = parts * part_size(rows, edges)
    moments = along + parts * part_size(rows, edges)
    sums = moments + FIELDS * many * width
    changed = sums + many * width
    series = changed + many * width
    changes = series + CHUNK * width
    looks = changes + CHUNK * width
    trouble = looks + 2 * LOOKS * width
    wanted = trouble + many * width
    spare = wanted + many * width
    inverse = spare + width
    return (
        along, moments, sums, changed, series, changes, looks, trouble, wanted, spare, inverse,
        inverse + CHUNK,
    )  # fmt: skip


# Back -------------------------------------------------------------------------------------------


def sums_size(rows, edges):
    """Of 8 chains, what is added up on the way back: by edge; by row, of staying and of seeing."""
    return (edges + 2 * rows) * LANES


def back_size(rows):
    """Of 8 chains, u before a tile of steps back and after each."""
    return (TILE + 1) * rows * LANES


def notes_size(rows, depth):
    """Of 8 chains, where they are, at each note of one level."""
    return depth * rows * LANES


def reverse_layout(rows, edges, many, parts, depth):
    """As `value_layout`, of `observe_reverse`.

    series: how much what is seen counts, by step of a block. shares: how much each observation
    counts, by time; units: what those are multiplied by. sums: by part. every: notes of each step
    of a block, of one part. floors: the first row that is not empty, by note. backs: by part. far,
    near: notes, and notes between two of those, by part.
    """
    width, noted = parts * LANES, notes_size(rows, depth)
    moments = parts * part_size(rows, edges)
    series = moments + FIELDS * many * width
    shares = series + depth * width
    units = shares + many * width
    sums = units + width
    every = sums + parts * sums_size(rows, edges)
    floors = every + noted
    backs = floors + depth
    far = backs + parts * back_size(rows)
    near = far + parts * noted
    return (
        moments,
        series,
        shares,
        units,
        sums,
        every,
        floors,
        backs,
        far,
        near,
        near + parts * noted,
    )
