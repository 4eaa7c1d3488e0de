"""Other ways to write equations: signs, Greek letters, vectors, second derivatives, long lines."""

import math

import numpy as np
import pytest

from emberkeep import ode
from emberkeep.errors import InvalidSystem
from emberkeep.ode.system.evaluate import evaluate
from emberkeep.ode.system.system import System


def sides(system):
    return {item.target: item.canonical for item in system.equations if item.is_derivative}


def values(system, **numbers):
    """The derivatives at the defaults."""
    read = system.read()
    given = {"t": 0.0, **system.states, **system.parameters, **system.constants, **numbers}
    return dict(zip(system.states, evaluate(read.program, read.derivatives, given), strict=True))


class TestSigns:
    @pytest.mark.parametrize(
        ("written", "plain"),
        [
            ("dx = −k·x", "dx = -k*x"),  # noqa: RUF001 - that is the test
            ("dx = k×x ÷ 2", "dx = k*x / 2"),  # noqa: RUF001 - as above
            ("dx = x² + x¹⁰ + k⁻¹", "dx = x**2 + x**10 + k**-1"),
            ("dx = where(x ≤ k, 1, 2) + (x ≥ k) + (x ≠ k)", "dx = where(x<=k,1,2)+(x>=k)+(x!=k)"),
            ("x’ = x", "x' = x"),  # noqa: RUF001 - as above
            ("x′ = π*x", "dx = pi*x"),  # noqa: RUF001 - as above
            ("dx = e**x", "dx = e^x"),
        ],
    )
    def test_those_that_keyboards_lack(self, written, plain):
        one, other = (System(text, {"x": 1.0}, {"k": 2.0}) for text in (written, plain))
        assert one.ingredients() == other.ingredients()
        assert sides(System({"x": written.split("= ", 1)[1]}, {"x": 1.0}, {"k": 2.0})) == sides(one)

    def test_greek_names(self):
        system = System(
            "dθ/dt = −α·θ + Ω; ω' = μ", {"θ": 1.0, "ω": 2.0}, {"α": 3.0, "Ω": 4.0, "µ": 5.0}
        )  # noqa: E501, RUF001 - as above
        assert sides(system) == {"θ": "- α * θ + Ω", "ω": "μ"}  # noqa: RUF001 - as above
        assert values(system) == {"θ": 1.0, "ω": 5.0}

    def test_e_is_a_number_unless_it_is_declared(self):
        assert values(System("dx = e", {"x": 1.0})) == {"x": math.e}
        assert values(System("dx = e", {"x": 1.0}, {"e": 5.0})) == {"x": 5.0}
        assert values(System("dx = e; e = 2*x", {"x": 1.0})) == {"x": 2.0}

    def test_other_alphabets_are_none_of_ours(self):
        with pytest.raises(InvalidSystem, match="'ж' is no letter"):
            System("dx = ж", {"x": 1.0})


class TestLongLines:
    def test_brackets_that_are_open_go_on(self):
        text = "dx = k*(x  # grows\n   + 2\n\n   - x\n)\ndy = max(x,\n  y)"
        system = System(text, {"x": 1.0, "y": 2.0}, {"k": 3.0})
        assert sides(system) == {"x": "k * ( x + 2 - x )", "y": "max ( x , y )"}

    def test_one_that_is_never_closed_takes_no_equation(self):
        with pytest.raises(InvalidSystem, match=r"equation 1 .*never closed"):
            System("dx = (x\ndy = y", {"x": 1.0, "y": 2.0})

    def test_comparisons_are_no_equations(self):
        system = System("dx = where(x\n == 1, 2,\n x >= 3)", {"x": 1.0})
        assert values(system) == {"x": 2.0}


class TestSecondOrder:
    @pytest.mark.parametrize(
        "left", ["x''", "x ' '", "d2x/dt2", "d²x/dt²", "d^2 x/dt^2", "d**2(x)/dt**2", "x″"]
    )
    def test_it_is_two_equations(self, left):
        system = System(f"{left} = -w^2*x - c*x'", {"x": 1.0}, {"w": 2.0, "c": 0.5})
        assert system.states == {"x": 1.0, "dx": 0.0}
        assert sides(system) == {"x": "dx", "dx": "- w ** 2 * x - c * dx"}

    def test_in_a_mapping(self):
        assert values(System({"x''": "-2*x", "y'": "x'"}, {"x": 1.0, "y": 2.0})) == {
            "x": 0.0,
            "y": 0.0,
            "dx": -2.0,
        }

    def test_the_velocity_may_be_declared(self):
        system = System("x'' = -x; y' = x'", {"dx": 3.0, "y": 0.0, "x": 1.0})
        assert system.states == {"dx": 3.0, "y": 0.0, "x": 1.0}
        assert values(system) == {"dx": -1.0, "y": 3.0, "x": 3.0}

    def test_definitions_may_use_it(self):
        system = System("x'' = -x; energy = x'^2 + x^2", {"x": 1.0}, observables=["energy"])
        assert "dx ** 2" in system.equations[-1].canonical

    def test_a_state_has_one_equation(self):
        with pytest.raises(InvalidSystem, match="both for 'x'"):
            System("x'' = -x; x' = 1", {"x": 1.0})

    def test_it_needs_its_state(self):
        with pytest.raises(InvalidSystem, match="'z', which is no state"):
            System("x' = 1; z'' = -z", {"x": 1.0})

    def test_a_name_that_is_taken(self):
        with pytest.raises(InvalidSystem, match="'dx' is used twice"):
            System("x'' = -dx*x", {"x": 1.0}, {"dx": 2.0})


class TestVectors:
    def test_heat_on_a_rod(self):
        system = System(
            "x[1]' = 0\nx[i]' = d*(x[i-1] - 2*x[i] + x[i+1]) for i in 2..3\nx[4]' = 0",
            {"x": [1.0, 2.0, 4.0, 7.0]},
            {"d": 0.5},
        )
        assert system.states == {"x_1": 1.0, "x_2": 2.0, "x_3": 4.0, "x_4": 7.0}
        assert values(system) == {"x_1": 0.0, "x_2": 0.5, "x_3": 0.5, "x_4": 0.0}

    @pytest.mark.parametrize("left", ["dx[i]", "x[i]'", "dx[i]/dt", "d(x[i])/dt", "x[ i ] '"])
    def test_all_ways_to_write_a_derivative(self, left):
        system = System(f"{left} = -x[i]*k[i] for i in 1..n", {"x": [1.0, 2.0]}, {"k": [3.0, 4.0]})
        assert values(system) == {"x_1": -3.0, "x_2": -8.0}

    @pytest.mark.parametrize("left", ["x[i]''", "d2x[i]/dt2", "d^2(x[i])/dt^2"])
    def test_all_ways_to_write_a_second_derivative(self, left):
        system = System(f"{left} = -x[i] - dx[i] for i in 1..2", {"x": [1.0, 2.0]}, name="v")
        assert values(system) == {"x_1": 0.0, "x_2": 0.0, "dx_1": -1.0, "dx_2": -2.0}

    def test_a_ring_and_numbers_of_parts(self):
        text = "x[i]' = x[i % 3 + 1] - i*x[(i - 2) % 3 + 1] for i in 1..n"
        system = System(text, {"x": np.array([1.0, 2.0, 4.0])})
        assert values(system) == {"x_1": 2 - 4, "x_2": 4 - 2, "x_3": 1 - 6}

    def test_a_product_with_a_matrix(self):
        matrix = [[1.0, 2.0], [3.0, 4.0]]
        text = "x[i]' = sum(A[i,j]*x[j] for j in 1..len(x)) - b[i] for i in 1..2"
        system = System(text, {"x": [5.0, 6.0]}, {"b": (0.5, 0.25)}, constants={"A": matrix})
        expected = np.array(matrix) @ [5.0, 6.0] - [0.5, 0.25]
        assert [*values(system).values()] == [*expected]
        assert system.constants["A_2_1"] == 3.0

    def test_sums_in_sums_and_definitions(self):
        text = (
            "x[i]' = -r[i]*total for i in 1..n; r[i] = 2*x[i] for i in 1..len(x);"
            "total = sum(sum(x[i]*x[j] for j in i..2) for i in 1..2) + 3"
        )
        system = System(text, {"x": [1.0, 2.0]}, observables=["total"])
        with_parts = [item.target for item in system.equations]
        assert with_parts == ["x_1", "x_2", "r_1", "r_2", "total"]
        assert values(system) == {"x_1": -2 * 10.0, "x_2": -4 * 10.0}

    def test_second_order_of_vectors(self):
        system = System("x[i]'' = -x[i] - x[i]' for i in 1..2", {"x": [1.0, 2.0]})
        assert [*system.states] == ["x_1", "x_2", "dx_1", "dx_2"]
        assert values(system)["dx_2"] == -2.0

    def test_matrices_of_states(self):
        system = System(
            "u[i,j]' = i*u[j,i] for i in 1..2, j in 1..2", {"u": [[1.0, 2.0], [3.0, 4.0]]}
        )
        assert values(system) == {"u_1_1": 1.0, "u_1_2": 3.0, "u_2_1": 4.0, "u_2_2": 8.0}

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("x[i]' = x[i+1] for i in 1..2", r"x\[i\+1\] is x\[3\].*parts \[1..2\]"),
            ("x[i]' = x[i, 1] for i in 1..2", r"x\[1, 1\].*parts \[1..2\]"),
            ("x[i]' = k[i] for i in 1..2", "'k' is no vector.*there are x"),
            ("x[i]' = x[j] for i in 1..2", "'j' is no index"),
            ("x[i]' = x[i/2] for i in 1..2", "'i/2' is no index"),
            ("x[i]' = x[i] for i = 1..2", "'i = 1..2' is no range"),
            ("x[i]' = x[i] for i in 2..1", "a range is empty"),
            ("x[i]' = 1 for i in 1..900000000", "900,000,000 parts"),
            ("x[i]' = sum(x[j] for j in 1..2 for i in 1..2", "never closed"),
            ("x[1]' = x[2]", "no equation for 'x_2'"),
            ("x[1]' = x; x[2]' = 1", "the name 'x' is not known"),
        ],
    )
    def test_mistakes(self, text, problem):
        with pytest.raises(InvalidSystem, match=f"(?s){problem}"):
            System(text, {"x": [1.0, 2.0]}, {"k": 1.0})

    @pytest.mark.parametrize(
        "given", [[], [[1.0], [2.0, 3.0]], [1.0, [2.0]], ["a"], [[]], [[[1.0]]]]
    )
    def test_what_is_no_vector(self, given):
        with pytest.raises(InvalidSystem, match="'k.*must be a number"):
            System("dx = 1", {"x": 1.0}, {"k": given})

    def test_a_part_may_not_be_declared_twice(self):
        with pytest.raises(InvalidSystem, match="'x_1' is used twice"):
            System("x[1]' = 1", {"x": [1.0]}, {"x_1": 2.0})


def test_all_of_it_is_solved(keep):
    """A chain of two springs: its modes have the frequencies √k and √(3k)."""
    system = System(
        "x[i]'' = −κ·sum(A[i,j]·x[j] for j in 1..2) for i in 1..2",  # noqa: RUF001 - Greek
        {"x": [1.0, 0.5]},
        {"κ": 2.0},  # noqa: RUF001 - as above
        constants={"A": [[2.0, -1.0], [-1.0, 2.0]]},
        name="springs",
    )
    found = ode.solve(system, (0, 3), rtol=1e-9, atol=1e-12, target="cpu", keep=keep)
    slow, fast = 0.75 * math.cos(3 * 2**0.5), 0.25 * math.cos(3 * 6**0.5)
    assert found["x_1"][0] == pytest.approx(slow + fast, abs=1e-7)
    assert found["x_2"][0] == pytest.approx(slow - fast, abs=1e-7)
