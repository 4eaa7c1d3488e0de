"""A solver runs what its system's functions do now."""

import emberkeep
from emberkeep import ode

RATE = 1.0


def decay(x):
    return RATE * x


def test_a_function_that_equations_call(tmp_path, monkeypatch):
    system = ode.System("dx = f(x)", states={"x": 1.0}, functions={"f": decay}, name="called")
    solver = ode.Solver(system, method="rk4", target="cpu", keep=emberkeep.Keep(tmp_path))
    constant = {"t_span": (0.0, 1.0), "dt": 0.125}
    first = float(solver.solve(**constant).final[0, 0])
    monkeypatch.setitem(globals(), "RATE", -1.0)
    second = float(solver.solve(**constant).final[0, 0])
    assert abs(first - 2.71828) < 1e-3
    assert abs(second - 0.367879) < 1e-3
    monkeypatch.setattr(decay, "__code__", (lambda x: 2.0).__code__)
    assert abs(float(solver.solve(**constant).final[0, 0]) - 3.0) < 1e-12


def test_a_system_that_is_a_function(tmp_path, monkeypatch):
    def right(t, y, p):
        return (decay(y[0]),)

    system = ode.System(right, states={"x": 1.0}, name="whole")
    solver = ode.Solver(system, method="rk4", target="cpu", keep=emberkeep.Keep(tmp_path))
    constant = {"t_span": (0.0, 1.0), "dt": 0.125}
    assert abs(float(solver.solve(**constant).final[0, 0]) - 2.71828) < 1e-3
    monkeypatch.setitem(globals(), "RATE", -1.0)
    assert abs(float(solver.solve(**constant).final[0, 0]) - 0.367879) < 1e-3
