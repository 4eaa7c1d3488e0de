# pyright: basic
"""Running chains whose weights change at given times; see `simulation`.

What numba compiles: types are in the signatures, memory is given, nothing is allocated.
"""

import numpy as np

from emberkeep.phasetype.kernels.simulation import OWN, _mixed, _uniform
from emberkeep.targets.kernel import kernel


def _first_over(sums, first, last, drawn):
    """The first place from which on cumulative sums are over what was drawn."""
    last -= 1
    while first < last:
        middle = (first + last) // 2
        if sums[middle] > drawn:
            last = middle
        else:
            first = middle + 1
    return first


@kernel(
    "uint64, float64[::1], uint32[::1], uint32[::1], float64[:, ::1], float64[:, ::1], "
    "float64[:, :, ::1], float64[::1], int64[:, ::1], uint32[::1], float64[::1], int64, "
    "float64[:, ::1]",
    name="run_chains_through_epochs",
    own=OWN,
)
def run_through_epochs(
    i,
    key,
    begins,
    starts,
    targets,
    sums,
    out,
    rewards,
    ends,
    ways,
    way_targets,
    way_sums,
    discrete,
    found,
):
    """One chain: `sums` and `out` by epoch; `ends` of epochs, the last of which is infinite.

    `ways` of pulses by epoch and vertex, of which there are none where nothing happens; their
    `way_sums` are cumulative, like `begins`, and like `sums` by vertex.
    """
    step = np.uint64(0x9E3779B97F4A7C15)
    state = _mixed(key + _mixed(np.uint64(i) * step + np.uint64(1)))
    kinds = rewards.shape[2]
    for q in range(kinds):
        found[i, q] = 0.0
    state += step
    drawn = _uniform(_mixed(state))
    count = len(begins)
    if drawn >= begins[count - 1]:
        return
    v = _first_over(begins, np.int64(0), np.int64(count), drawn)
    e, now, entering = np.int64(0), 0.0, True
    while starts[v + 1] > starts[v]:
        if entering:
            entering = False
            first, last = ways[e, v], ways[e, v + 1]
            if last > first:
                state += step
                drawn = _uniform(_mixed(state)) * way_sums[last - 1]
                v = np.int64(way_targets[_first_over(way_sums, first, last, drawn)])
                continue
        state += step
        drawn = _uniform(_mixed(state))
        stay, leaving = np.inf, out[e, v]
        if discrete != 0 and leaving >= 1.0:
            stay = 1.0
        elif discrete != 0 and leaving > 0.0:
            stay = max(1.0, np.ceil(np.log(drawn) / np.log1p(-leaving)))
        elif leaving > 0.0:
            stay = -np.log(drawn) / leaving
        entering = now + stay > ends[e]
        if entering:
            stay = ends[e] - now
        for q in range(kinds):
            found[i, q] += stay * rewards[e, v, q]
        if entering:
            now = ends[e]
            e += 1
            continue
        now += stay
        state += step
        end = np.int64(starts[v + 1])
        drawn = _uniform(_mixed(state)) * sums[e, end - 1]
        v = np.int64(targets[_first_over(sums[e], np.int64(starts[v]), end, drawn)])
