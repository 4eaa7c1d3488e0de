"""What a multistep method of variable order is: a number for each of its orders."""

from __future__ import annotations

from math import inf

from emberkeep.startup_records import final, frozen


@final
@frozen
class MultistepTableau:
    """A numerical differentiation formula for each order from 1 on (Klopfenstein; Shampine).

    The formula of order k for y' = f asks for

        Σ ∇ʲyₙ₊₁ / j  (j = 1 … k)  =  h f(tₙ₊₁, yₙ₊₁) + κ γ (yₙ₊₁ - prediction),  γ = Σ 1/j,

    where the prediction goes on with the polynomial through the last k + 1 values. With κ = 0 it is
    a backward differentiation formula; a small negative κ makes its error
    smaller, at the cost of some stability.

    Attributes:
        name: what it is called.
        kappas: κ of each order, from 1 to the highest, which is 5 at most.
    """

    name: str
    kappas: tuple[float, ...]

    @property
    def order(self) -> int:
        """The highest."""
        return len(self.kappas)

    @property
    def sums(self) -> tuple[float, ...]:
        """γ of each order: 1 + 1/2 + … + 1/k."""
        found = [1.0]
        for order in range(2, self.order + 1):
            found.append(found[-1] + 1 / order)
        return (*found,)

    @property
    def leads(self) -> tuple[float, ...]:
        """What yₙ₊₁ is multiplied with in the formula of each order: (1 - κ) γ."""
        pairs = zip(self.kappas, self.sums, strict=True)
        return tuple((1 - kappa) * total for kappa, total in pairs)

    @property
    def errors(self) -> tuple[float, ...]:
        """What the local error of each order takes of the difference of the next order."""
        numbered = enumerate(zip(self.kappas, self.sums, strict=True), 1)
        return tuple(kappa * total + 1 / (order + 1) for order, (kappa, total) in numbered)

    @property
    def is_adaptive(self) -> bool:
        """Whether it estimates its error, so that steps can be chosen by it."""
        return True

    @property
    def chooses_order(self) -> bool:
        """Whether the order of a step is chosen by errors, too."""
        return True

    @property
    def interpolates(self) -> bool:
        """Whether values within a step are as accurate: they are of the formula's polynomial."""
        return True

    @property
    def estimate_power(self) -> int:
        """The power of the first step, which is of order 1, by which the estimate grows."""
        return 2

    @property
    def stability_limit(self) -> float:
        """None that would keep steps short: it is made for what decays fast."""
        return inf

    @property
    def stability_angles(self) -> tuple[float, ...]:
        """α, in degrees, of each order's A(α)-stability; 90 is A-stability."""
        from emberkeep.ode.methods.multistep_checks import angle

        return tuple(angle(self, order) for order in range(1, self.order + 1))

    def check(self) -> MultistepTableau:
        """This very tableau, once its formulas are found to be stable.

        Raises:
            InvalidPlan: names what is wrong.
        """
        from emberkeep.ode.methods.multistep_checks import check

        check(self)
        return self
