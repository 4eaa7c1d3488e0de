"""How often functions are looked at until the place where they go through zero is known."""

import numpy as np
import pytest

from emberkeep import Keep, ode
from emberkeep.ode.kernel.events.crossings import Crossings

SPRING = ode.System("dx = v; dv = -k*x - 0.05*v", {"x": 1.0, "v": 0.0}, {"k": 1.0}, name="spring")
STIFFNESS = np.linspace(1.0, 4.0, 32)
BISECTION = 53  # looks at most, from a whole step to the last place of a share of it


def counts(when, root):
    """How often it occurred, as is counted."""
    solver = ode.Solver(SPRING, events=[ode.Event(when)], target="cpu", threads=1, keep=Keep(root))
    result = solver.solve((0, 60), parameters={"k": STIFFNESS}, outputs=["events"])
    return result.events["event_1"].counts


@pytest.fixture
def looks(monkeypatch, tmp_path):
    """Looks at a function within steps, for each time that it goes through zero."""

    def count(when):
        number = counts(when, str(tmp_path / "alone"))
        along = Crossings._along

        def counting(self, *given):
            counted = self._standing.counts[0]
            counted.set(counted.get() + 1)
            return along(self, *given)

        with monkeypatch.context() as patch:
            patch.setattr(Crossings, "_along", counting)
            with_looks = counts(when, str(tmp_path / "counted"))
        assert number.sum() > 100
        return (with_looks - number).sum() / number.sum(), (with_looks / number).max()

    return count


@pytest.mark.parametrize(
    ("when", "most"),
    [
        ("x", 5.0),
        ("x - 0.1", 5.5),
        ("v*(x - 0.1)", 5.5),
        ("x^3 - 0.001", 8.0),
        ("exp(20*x) - 1.5", 7.5),
    ],
)
def test_what_is_smooth_is_found_in_a_few_looks(looks, when, most):
    mean, _ = looks(when)
    assert 3.0 < mean < most


@pytest.mark.parametrize("when", ["x/abs(x)", "x^3", "x^5"])
def test_what_is_not_takes_hardly_more_than_bisection(looks, when):
    mean, largest = looks(when)
    assert mean > 20
    assert largest < BISECTION + 12
