# pyright: basic
"""Running chains, with random numbers that depend on nothing but a key and the number of the chain.

What numba compiles: types are in the signatures, memory is given, nothing is allocated.
"""

import numpy as np

from emberkeep.targets.kernel import kernel

OWN = ("emberkeep.phasetype.kernels",)


def _mixed(state):
    """Steele, Lea and Flood's mixing of a counter (OOPSLA 2014)."""
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _uniform(bits):
    """Between 0 and 1, neither included."""
    return (np.float64(bits >> np.uint64(12)) + 0.5) * 2.0**-52


@kernel(
    "uint64, float64[::1], uint32[::1], uint32[::1], float64[::1], float64[::1], float64[:, ::1], "
    "int64, float64[:, ::1]",
    name="run_chains",
    own=OWN,
)
def run_chain(
    i,
    key,
    begins,
    starts,
    targets,
    sums,
    out,
    rewards,
    discrete,
    found,
):
    """One chain: `begins` and, for each vertex, `sums` are cumulative. Its numbers are its own."""
    step = np.uint64(0x9E3779B97F4A7C15)
    state = _mixed(key + _mixed(np.uint64(i) * step + np.uint64(1)))
    kinds = rewards.shape[1]
    for q in range(kinds):
        found[i, q] = 0.0
    state += step
    drawn = _uniform(_mixed(state))
    count = len(begins)
    if drawn >= begins[count - 1]:
        return
    low, high = 0, count - 1
    while low < high:
        middle = (low + high) // 2
        if begins[middle] > drawn:
            high = middle
        else:
            low = middle + 1
    v = low
    while starts[v + 1] > starts[v]:
        state += step
        drawn = _uniform(_mixed(state))
        if discrete == 0:
            stay = -np.log(drawn) / out[v]
        elif out[v] >= 1.0:
            stay = 1.0
        else:
            stay = max(1.0, np.ceil(np.log(drawn) / np.log1p(-out[v])))
        for q in range(kinds):
            found[i, q] += stay * rewards[v, q]
        state += step
        drawn = _uniform(_mixed(state)) * sums[starts[v + 1] - 1]
        first, last = np.int64(starts[v]), np.int64(starts[v + 1]) - 1
        while first < last:
            middle = (first + last) // 2
            if sums[middle] > drawn:
                last = middle
            else:
                first = middle + 1
        v = np.int64(targets[first])
