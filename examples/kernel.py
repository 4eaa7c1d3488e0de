"""A batch of Lorenz systems on the CPU: plain Python, compiled once, ever.

Run it twice: the second process loads the machine code that the first one compiled, and imports
neither numba nor LLVM.
"""

import sys
import time

started = time.perf_counter()
import numpy as np  # noqa: E402 - what NumPy costs is not ours

with_numpy = time.perf_counter()
import emberkeep  # noqa: E402 - the same

LANES = 32  # trajectories side by side: compilers make vector instructions of the inner loop
STEPS = 1000
HEAVY = ("numba", "llvmlite", "sympy", "jax")


def slope(x, y, z, sigma, rho, beta):  # noqa: ANN001, ANN201 - compiled for many types
    """The right-hand side."""
    return sigma * (y - x), x * (rho - z) - y, x * y - beta * z


@emberkeep.kernel("float64[:, :, ::1], float64, int64", fastmath=("contract", "nsz", "arcp"))
def lorenz(block, work, dt, steps):  # noqa: ANN001, ANN201 - types are in the signature
    """Take `steps` steps of the classic fourth-order method with all trajectories of a block.

    In work[block] are x, y, z, sigma, rho, beta, each for all lanes.
    """
    for _ in range(steps):
        for lane in range(LANES):
            x, y, z = work[block, 0, lane], work[block, 1, lane], work[block, 2, lane]
            sigma, rho, beta = work[block, 3, lane], work[block, 4, lane], work[block, 5, lane]
            ax, ay, az = slope(x, y, z, sigma, rho, beta)
            h = dt / 2
            bx, by, bz = slope(x + h * ax, y + h * ay, z + h * az, sigma, rho, beta)
            cx, cy, cz = slope(x + h * bx, y + h * by, z + h * bz, sigma, rho, beta)
            ex, ey, ez = slope(x + dt * cx, y + dt * cy, z + dt * cz, sigma, rho, beta)
            work[block, 0, lane] = x + dt / 6 * (ax + 2 * (bx + cx) + ex)
            work[block, 1, lane] = y + dt / 6 * (ay + 2 * (by + cy) + ey)
            work[block, 2, lane] = z + dt / 6 * (az + 2 * (bz + cz) + ez)


def batch(trajectories: int) -> np.ndarray:
    """Initial values near (1, 1, 1), and rho from 20 to 30."""
    blocks = trajectories // LANES
    work = np.empty((blocks, 6, LANES))
    work[:, :3] = 1 + 0.01 * np.random.default_rng(0).random((blocks, 3, LANES))
    work[:, 3], work[:, 5] = 10.0, 8 / 3
    work[:, 4] = np.linspace(20.0, 30.0, blocks * LANES).reshape(blocks, LANES)
    return work


def main() -> None:
    """Take one step, which compiles or loads; then run the batch, and say what each cost."""
    work = batch(100_000)
    begun = time.perf_counter()
    lorenz(work, 1e-3, 1, count=len(work))
    ready = time.perf_counter()
    lorenz(work, 1e-3, STEPS, count=len(work))
    done = time.perf_counter()
    startup = (ready - begun) + (with_emberkeep - with_numpy)
    steps = work.shape[0] * LANES * STEPS
    print(f"   ready to run in {1000 * startup:7.1f} ms over importing NumPy")
    print(
        f"   {work.shape[0] * LANES:,} trajectories, {STEPS} steps each: {done - ready:.2f} s "
        f"({steps / (done - ready) / 1e6:.0f} million steps a second)"
    )
    heavy = [name for name in HEAVY if name in sys.modules]
    print(f"   imported on the way: {', '.join(heavy or ['none of', *HEAVY])}")
    if len(sys.argv) > 1:  # what a run cost is for the driver to add up
        with open(sys.argv[1], "w", encoding="utf-8") as file:
            file.write(f"{startup} {work[:, :3].sum()!r}")


with_emberkeep = time.perf_counter()
if __name__ == "__main__":
    main()
