# pyright: basic
"""Steps of a chain, and Poisson mixtures over them.

What numba compiles: types are in the signatures, memory is given, nothing is allocated.
"""

import numpy as np

from emberkeep.targets.kernel import kernel

OWN = ("emberkeep.phasetype.kernels",)

FAST = ("contract", "nsz", "reassoc")


@kernel(
    "uint32[::1], uint32[::1], float64[:, ::1], float64[:, ::1], float64[:, :, ::1], "
    "float64[:, :, ::1], float64[:, :, ::1], int64, int64",
    fastmath=FAST,
    name="uniformised_steps",
    own=OWN,
)
def walk(
    i,
    starts,
    sources,
    probabilities,
    staying,
    vectors,
    watched,
    found,
    begin,
    end,
):
    """Go on from step `begin` to `end`, observing before each; vectors[i, 0] is where it is.

    The last column of `found` is the probability that the chain has not ended.
    """
    n, kinds = len(starts) - 1, watched.shape[1]
    p, s = probabilities[i], staying[i]
    here, there = 0, 1
    for k in range(begin, end):
        v, w = vectors[i, here], vectors[i, there]
        mass = 0.0
        for j in range(n):
            mass += v[j]
        found[i, k, kinds] = mass
        for q in range(kinds):
            total = 0.0
            for j in range(n):
                total += v[j] * watched[i, q, j]
            found[i, k, q] = total
        for j in range(n):
            total = v[j] * s[j]
            for e in range(starts[j], starts[j + 1]):
                total += p[e] * v[sources[e]]
            w[j] = total
        here, there = there, here
    if here == 1:
        for j in range(n):
            vectors[i, 0, j] = vectors[i, 1, j]


@kernel(
    "float64[::1], int64[::1], float64[:, ::1], float64[::1], float64[::1], float64[::1]",
    fastmath=("contract",),
    name="poisson_mixture",
    own=OWN,
)
def mix(i, means, which, series, largest, beyond, mixed):
    """The mean of a series over a Poisson number; it goes on as `beyond` after its end."""
    row, mean = which[i], means[i]
    many = series.shape[1]
    mode = np.int64(np.floor(mean))
    total, value, most = 0.0, 0.0, largest[row]
    weight, k = 1.0, mode
    while True:
        total += weight
        term = beyond[row]
        if k < many:
            term = series[row, k]
        value += weight * term
        k += 1
        weight *= mean / k
        # Beyond here weights fall at least as fast as a geometric series.
        if weight < 1e-24 * total and weight * most <= 1e-24 * value:
            break
        if weight < 1e-300:
            break
    weight, k = 1.0, mode
    while k > 0:
        weight *= k / mean
        k -= 1
        term = beyond[row]
        if k < many:
            term = series[row, k]
        total += weight
        value += weight * term
        if weight < 1e-24 * total and weight * most <= 1e-24 * value:
            break
        if weight < 1e-300:
            break
    mixed[i] = value / total


@kernel(
    "uint32[::1], uint32[::1], float64[::1], float64[::1], float64[:, ::1], int64, int64[::1], "
    "int64[::1], float64[::1], int64[::1], float64[:, ::1]",
    fastmath=FAST,
    threads=1,
    name="uniformised_states",
    own=OWN,
)
def propagate(
    _,
    starts,
    sources,
    probabilities,
    staying,
    vectors,
    steps,
    first,
    last,
    weights,
    offsets,
    found,
):
    """Sums of where the chain is after each step, with the weights of each time."""
    n = len(starts) - 1
    here, there = 0, 1
    for k in range(steps):
        v, w = vectors[here], vectors[there]
        for t in range(len(first)):
            if first[t] <= k < last[t]:
                weight = weights[offsets[t] + k - first[t]]
                for j in range(n):
                    found[t, j] += weight * v[j]
        for j in range(n):
            total = v[j] * staying[j]
            for e in range(starts[j], starts[j + 1]):
                total += probabilities[e] * v[sources[e]]
            w[j] = total
        here, there = there, here
