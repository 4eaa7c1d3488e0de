"""What inference gives: samples, what they say, and whether to believe it."""

from __future__ import annotations

from emberkeep.phasetype.inference.arviz_data import to_inference_data
from emberkeep.phasetype.inference.diagnostics import Diagnostics, diagnose, mixing
from emberkeep.phasetype.inference.plots import plot_pairs, plot_predictive, plot_trace
from emberkeep.phasetype.inference.samples import Samples
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import numpy as np

    Values = np.ndarray[Any, Any]

QUANTILES = (0.025, 0.5, 0.975)


@final
@frozen
class Summary:
    """A posterior in numbers, by parameter; printed as a table.

    Attributes:
        names: of the parameters.
        mean: of each.
        std: standard deviations.
        quantiles: by parameter: 2.5%, 50% and 97.5%.
        rhat: of chains; None for particles.
        ess: effective sample sizes, by bulk; None for particles.
    """

    names: tuple[str, ...]
    mean: Values
    std: Values
    quantiles: Values
    rhat: Values | None
    ess: Values | None

    def __repr__(self) -> str:
        heads = ["mean", "std", "2.5%", "50%", "97.5%"]
        columns = [self.mean, self.std, *self.quantiles.T]
        for head, column in (("rhat", self.rhat), ("ess", self.ess)):
            if column is not None:
                heads.append(head)
                columns.append(column)
        width = max(9, *map(len, self.names))
        lines = [" " * width + "".join(f"{head:>11}" for head in heads)]
        for row, name in enumerate(self.names):
            numbers = "".join(f"{column[row]:>11.4g}" for column in columns)
            lines.append(f"{name:<{width}}{numbers}")
        return "\n".join(lines)


@final
class Posterior(Samples):
    """Samples of a posterior.

    Attributes:
        method: ``"svgd"`` or ``"nuts"``.
        chains: parameters by restart or chain, particle or draw, and parameter.
        points: the same in unconstrained coordinates.
        heights: log densities there, up to a constant.
        slopes: their gradients.
        frames: standardised coordinates of each restart or chain.
        histories: of particles, by restart.
        iterations: steps of each restart; draws of each chain.
        settled: whether runs that were to end early did.
        divergences: of chains.
        posed: what it is the posterior of.
        information: how much of what is known comes from the data, and along which directions.
        unclear: what the data do not determine, in words; empty where they determine everything.
        seconds: how long it took.
    """

    def summary(self) -> Summary:
        """Means, standard deviations and quantiles; for chains also how well they mixed."""
        rhat = ess = None
        if self.method == "nuts":
            rhat, ess = mixing(self.chains)
        return Summary(self.names, self.mean, self.std, self.quantile(QUANTILES), rhat, ess)

    def diagnostics(self, *, against_nuts: bool = False, seed: int = 0) -> Diagnostics:
        """What speaks against believing it.

        Args:
            against_nuts: whether to run a few hundred draws of NUTS and compare spreads: the check
                that finds what particles cannot know of themselves, at the price of some seconds.
            seed: of what is random in it.
        """
        return diagnose(self, against_nuts=against_nuts, seed=seed)

    def to_inference_data(self) -> Any:
        """ArviZ's InferenceData: posterior, sample statistics and what was observed."""
        return to_inference_data(self)

    def plot_trace(self) -> Any:
        """Mean and spread by step, or draws by chain; a matplotlib figure."""
        return plot_trace(self)

    def plot_pairs(self) -> Any:
        """Each parameter, and each against each other; a matplotlib figure."""
        return plot_pairs(self)

    def plot_predictive(self, draws: int = 100) -> Any:
        """What was observed, and the densities that samples give; a matplotlib figure."""
        return plot_predictive(self, draws)

    def __repr__(self) -> str:
        runs, each, _ = self.chains.shape
        many = "restarts" if self.method == "svgd" else "chains"
        what = f"{runs} {many} of {each}" if runs > 1 else str(each)
        unit = "particles" if self.method == "svgd" else "draws"
        head = (
            f"<Posterior of {self.posed.problem.model.name} by {self.method}: {what} {unit}, "
            f"{self.posed.observations.count:,} observations, {self.seconds:.1f} s"
        )
        return f"{head}\n{self.summary()!r}>"
