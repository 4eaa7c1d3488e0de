# pyright: basic
"""Finding states: what can be reached, and numbers for rows that are met.

What numba compiles: types are in the signatures, memory is given, nothing is allocated.
"""

import numpy as np

from emberkeep.targets.kernel import kernel

OWN = ("emberkeep.phasetype.kernels",)


@kernel(
    "uint32[::1], uint32[::1], uint8[::1], int64[::1]",
    threads=1,
    name="reach",
    own=OWN,
)
def mark_reached(_, starts, targets, inside, path):
    """Mark everything that can be reached from what is marked."""
    depth = 0
    for v in range(len(starts) - 1):
        if inside[v] != 0:
            path[depth] = v
            depth += 1
    while depth > 0:
        depth -= 1
        v = path[depth]
        for e in range(starts[v], starts[v + 1]):
            w = targets[e]
            if inside[w] == 0:
                inside[w] = 1
                path[depth] = w
                depth += 1


@kernel(
    "int64[:, ::1], int64[:, ::1], int64[::1], int64[::1], int64[::1]",
    threads=1,
    name="number_states",
    own=OWN,
)
def number_rows(_, rows, known, table, numbers, count):
    """The number of each row; new ones are appended to `known`. Open addressing."""
    places = np.uint64(len(table))
    for i in range(rows.shape[0]):
        hashed = np.uint64(0x9E3779B97F4A7C15)
        for j in range(rows.shape[1]):
            hashed = (hashed ^ np.uint64(rows[i, j])) * np.uint64(0xBF58476D1CE4E5B9)
            hashed ^= hashed >> np.uint64(29)
        place = hashed % places
        while True:
            number = table[place]
            if number < 0:
                number = count[0]
                table[place] = number
                for j in range(rows.shape[1]):
                    known[number, j] = rows[i, j]
                count[0] += 1
                break
            same = True
            for j in range(rows.shape[1]):
                if known[number, j] != rows[i, j]:
                    same = False
                    break
            if same:
                break
            place = (place + np.uint64(1)) % places
        numbers[i] = number
