"""`solve` is `Solver` and its `solve` at once: the same arguments, each passed on as given."""

import inspect

import pytest

from emberkeep import ode
from emberkeep.ode import solver

MADE = inspect.signature(ode.Solver).parameters
SOLVED = {
    name: parameter
    for name, parameter in inspect.signature(ode.Solver.solve).parameters.items()
    if name != "self"
}


def test_arguments_are_those_of_both():
    listed = inspect.signature(ode.solve).parameters
    assert not MADE.keys() & SOLVED.keys()
    assert {name: (each.default, each.annotation, each.kind) for name, each in listed.items()} == {
        name: (each.default, each.annotation, each.kind)
        for name, each in {**MADE, **SOLVED}.items()
    }
    assert next(iter(listed)) == "system"


@pytest.mark.parametrize("name", list({**MADE, **SOLVED}))
def test_each_is_passed_on_by_its_name(name, monkeypatch, decay):
    heard = {}

    class Listening:
        def __init__(self, *given, **named):
            heard.update(inspect.signature(ode.Solver).bind(*given, **named).arguments)

        def solve(self, *given, **named):
            bound = inspect.signature(ode.Solver.solve).bind(self, *given, **named)
            heard.update(bound.arguments)
            return "the result"

    monkeypatch.setattr(solver, "Solver", Listening)
    mark = object()
    given = {"system": decay, "t_span": (0, 1), name: mark}
    assert solver.solve(**given) == "the result"
    assert heard[name] is mark
