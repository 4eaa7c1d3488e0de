"""How equations are written, and what is said of those that cannot be."""

import re

import numpy as np
import pytest

from emberkeep.errors import EmberkeepError, InvalidSystem
from emberkeep.ode.system.equations import split_equations
from emberkeep.ode.system.evaluate import evaluate
from emberkeep.ode.system.system import System

PREDATOR = {"states": {"x": 1.0, "y": 2.0}, "parameters": {"a": 0.5, "b": 0.1}}


def two(equations, **more):
    """A system of two states and two parameters."""
    return System(equations, **PREDATOR, **more)


def right_sides(system):
    return {
        equation.target: equation.canonical for equation in system.equations[: len(system.states)]
    }


def refused(equations, states=None, parameters=None, **more):
    """What is said of a system that cannot be."""
    with pytest.raises(InvalidSystem) as caught:
        System(
            equations,
            {"x": 1.0} if states is None else states,
            {"k": 0.5} if parameters is None else parameters,
            **more,
        )
    assert isinstance(caught.value, EmberkeepError)
    assert isinstance(caught.value, ValueError)
    return str(caught.value)


def marked(message):
    """What the marks below a line of a message stand under."""
    lines = message.split("\n")
    place = next(n for n, line in enumerate(lines) if re.fullmatch(r" +\^+", line))
    marks = lines[place]
    return lines[place - 1][marks.index("^") : len(marks)]


class TestNotations:
    @pytest.mark.parametrize(
        "equations",
        [
            "dx = a*x - b*x*y\ndy = b*x*y - y",
            "dx = a*x - b*x*y; dy = b*x*y - y",
            "dx = a*x - b*x*y;\n\n;dy = b*x*y - y;",
            "x' = a*x - b*x*y\ny' = b*x*y - y",
            "x ' = a*x - b*x*y\ny '= b*x*y - y",
            "d(x)/dt = a*x - b*x*y\nd(y)/dt = b*x*y - y",
            "d ( x ) / d t = a*x - b*x*y\nd( y )/ dt = b*x*y - y",
            "dx/dt = a*x - b*x*y\ndy/dt = b*x*y - y",
            "dx / d t = a*x - b*x*y\ndy / dt=b*x*y - y",
            "dx = a*x - b*x*y\ny' = b*x*y - y",
            "# predators\ndx = a*x - b*x*y  # grow; die\n# dz = 1\ndy = b*x*y - y#",
            ["dx = a*x - b*x*y", "dy = b*x*y - y"],
            ("dy = b*x*y - y", "x' = a*x - b*x*y"),
            {"x": "a*x - b*x*y", "y": "b*x*y - y"},
            {"y": "b*x*y - y", "x": "a*x - b*x*y"},
        ],
    )
    def test_all_ways_to_write_a_derivative_are_the_same_system(self, equations):
        expected = {"x": "a * x - b * x * y", "y": "b * x * y - y"}
        assert right_sides(two(equations)) == expected
        assert two(equations).ingredients() == two(expected).ingredients()

    def test_equations_may_come_from_an_iterator(self):
        assert right_sides(two(iter(["dx = a", "dy = b"]))) == {"x": "a", "y": "b"}

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("dx=a*x;dy=b", "  dx   =   a *  x ;\n\n\tdy = b  "),
            ("dx = a; dy = b", "dy = b; dx = a"),
            ("dx = a; dy = b", "dx = a\r\ndy = b\r\n"),
            ("dx = a; dy = b", "dx = a  # x\n\n# nothing\ndy = b"),
            ("dx = x^2; dy = x^-a", "dx = x**2; dy = x ** - a"),
            ("dx = x<=a; dy = a!=x", "dx = x <= a; dy = a != x"),
            ("dx = 1.5e-3*x; dy = .5", "dx=1.5e-3 * x; dy=.5"),
            ("dx = r*s; dy = s; r = 2*s; s = x", "s = x; r = 2*s; dy = s; dx = r*s"),
        ],
    )
    def test_spaces_order_and_comments_do_not_matter(self, one, other):
        assert two(one).ingredients() == two(other).ingredients()

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("dx = a; dy = b", "dx = b; dy = a"),
            ("dx = x*2; dy = b", "dx = x**2; dy = b"),
            ("dx = 10; dy = b", "dx = 1; dy = b"),
            ("dx = a*(x + y); dy = b", "dx = a*x + y; dy = b"),
        ],
    )
    def test_what_means_something_else_is_another_system(self, one, other):
        assert two(one).ingredients() != two(other).ingredients()

    def test_numbers_are_right_hand_sides_too(self):
        system = System({"x": 2, "y": -0.5, "z": True}, dict.fromkeys("xyz", 0.0))
        assert right_sides(system) == {"x": "2.0", "y": "- 0.5", "z": "1.0"}

    @pytest.mark.parametrize("number", [np.int64(3), np.float32(3)])
    def test_numbers_of_numpy_are_right_hand_sides_too(self, number):
        assert right_sides(System({"x": number}, {"x": 1.0})) == {"x": "3.0"}

    @pytest.mark.parametrize(
        "equations", [["dx = a  # grows", "dy = b"], ["dx = a; dy = b"], ["dx = a\ndy = b"]]
    )
    def test_texts_in_a_list_are_read_as_a_text_is(self, equations):
        assert right_sides(two(equations)) == {"x": "a", "y": "b"}

    def test_the_order_of_results_is_that_of_the_states(self):
        system = System("da = 1; dc = 3; db = 2", {"c": 0.0, "a": 0.0, "b": 0.0})
        assert [equation.target for equation in system.equations] == ["c", "a", "b"]

    def test_a_state_whose_name_begins_with_d_is_no_derivative(self):
        system = System("ddx = -x; x' = dx", {"x": 1.0, "dx": 0.0})
        assert right_sides(system) == {"x": "dx", "dx": "- x"}
        again = System("ddx/dt = -x; d(x)/dt = dx", {"x": 1.0, "dx": 0.0})
        assert again.ingredients() == system.ingredients()

    def test_what_begins_with_d_and_is_no_derivative_is_a_definition(self):
        system = System("dx = delta*x; delta = 2", {"x": 1.0})
        assert [(item.target, item.is_derivative) for item in system.equations] == [
            ("x", True),
            ("delta", False),
        ]

    def test_definitions_stand_after_those_they_need(self):
        system = System("dx = a; a = b + c; b = 2*c; c = x", {"x": 1.0})
        assert [equation.target for equation in system.equations] == ["x", "c", "b", "a"]

    def test_an_observable_need_not_be_used(self):
        system = System("dx = -x; energy = x^2", {"x": 1.0}, observables=["energy"])
        assert system.observables == ("energy",)
        again = System("dx = -x; energy = x^2", {"x": 1.0}, observables="energy")
        assert again.observables == ("energy",)

    def test_a_user_may_name_states_and_parameters_like_functions(self):
        system = System("dgamma = -beta*gamma*exp(max)", {"gamma": 1.0}, {"beta": 1, "max": 2})
        assert right_sides(system) == {"gamma": "- beta * gamma * exp ( max )"}

    def test_functions_of_the_user_may_be_called(self):
        system = System("dx = -f(x, 2)", {"x": 1.0}, functions={"f": pow})
        assert system.functions["f"] is pow

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", []),
            ("\n;;\n#a = 1", []),
            ("a = 1;b = 2 # c = 3; d = 4\ne = 5", ["a = 1", "b = 2", "e = 5"]),
        ],
    )
    def test_splitting(self, text, expected):
        assert split_equations(text) == expected

    def test_names_give_a_system_its_name(self):
        assert two("dx = a; dy = b").name == "x_y"
        assert two("dx = a; dy = b", name="predators").name == "predators"
        long = {f"state_{number}": 0.0 for number in range(50)}
        assert len(System(dict.fromkeys(long, "1"), long).name) == 60

    def test_the_repr_names_what_there_is(self):
        system = two("dx = a*c; dy = e; e = b", constants={"c": 1}, observables=["e"], name="p")
        assert repr(system) == (
            "<System p: states x, y; parameters a, b; constants c; observables e>"
        )


class TestSymPy:
    @pytest.fixture
    def sympy(self):
        return pytest.importorskip("sympy")

    def read(self, equations):
        return right_sides(two(equations))

    def test_equations_of_functions_of_time(self, sympy):
        t, a, b = sympy.symbols("t a b")
        x, y = sympy.Function("x")(t), sympy.Function("y")(t)
        read = self.read([sympy.Eq(x.diff(t), -a * x), sympy.Eq(sympy.Derivative(y, t), b * x * y)])
        assert read == {"x": "- a * x", "y": "b * x * y"}

    def test_expressions_by_state(self, sympy):
        x, y, a = sympy.symbols("x y a")
        assert self.read({"x": a * x, "y": x + y}) == {"x": "a * x", "y": "x + y"}
        assert self.read({x: a * x, y: "x + y"}) == {"x": "a * x", "y": "x + y"}

    def test_symbols_name_states_and_parameters(self, sympy):
        x, a = sympy.symbols("x a")
        system = System({x: -a * x}, {x: 1.0}, {a: 2.0})
        assert (system.states, system.parameters) == ({"x": 1.0}, {"a": 2.0})

    def test_numbers_are_written_in_full(self, sympy):
        x = sympy.Symbol("x")
        tenth = self.read({"x": sympy.Float("0.1234567890123456") * x, "y": 1})["x"]
        assert tenth == "0.1234567890123456 * x"
        assert self.read({"x": sympy.Rational(1, 3) * sympy.E, "y": 1})["x"].count("1.0 / 3.0") <= 1

    @pytest.mark.parametrize(
        ("write", "value"),
        [
            (lambda s, x, y: s.sqrt(x) + x ** s.Rational(1, 3), 3**0.5 + 3 ** (1 / 3)),
            (lambda s, x, y: s.exp(-x) * s.E, np.exp(-2)),
            (lambda s, x, y: s.Rational(-2, 3) * x, -2),
            (lambda s, x, y: x ** s.Rational(-1, 2), 3**-0.5),
            (lambda s, x, y: s.Piecewise((x, x > y), (y, True)), 3),
            (lambda s, x, y: s.Piecewise((1, s.Eq(x, y)), (2, s.Ne(x, y))), 2),
            (lambda s, x, y: s.Piecewise((1, (x > y) & ~(y > 2)), (2, True)), 1),
            (lambda s, x, y: s.Piecewise((1, (x < y) | (y > 2)), (2, True)), 2),
            (lambda s, x, y: s.Max(x, y) - s.Min(x, y, 0) + s.Abs(-x), 6),
            (lambda s, x, y: s.Mod(x, y) + s.floor(x / y) + s.ceiling(x / y), 4),
            (lambda s, x, y: s.log(x, 2) + s.atan2(x, y), np.log2(3) + np.arctan2(3, 2)),
            (lambda s, x, y: s.sinc(x), np.sin(3) / 3),
            (lambda s, x, y: s.Piecewise((1, s.ITE(x > y, x > 5, y < 5)), (2, True)), 2),
            (lambda s, x, y: s.Piecewise((1, s.Xor(x > 1, y > 1, x > 2)), (2, True)), 1),
            (lambda s, x, y: s.sec(x) * s.cos(x) + s.csc(y) * s.sin(y) + s.cot(x) * s.tan(x), 3),
            (lambda s, x, y: s.Heaviside(x) + s.sign(-x), 0),
            (lambda s, x, y: s.pi * 1.0 + s.gamma(y), np.pi + 1),
            (lambda s, x, y: s.sympify("x**2/(y*(x - y))"), 4.5),
        ],
    )
    def test_expressions_keep_their_value(self, sympy, write, value):
        x, y = sympy.symbols("x y")
        text = self.read({"x": write(sympy, x, y), "y": "1"})["x"]
        read = two({"x": text, "y": "1"}).read()
        (found,) = evaluate(read.program, read.derivatives[:1], {"x": 3.0, "y": 2.0})
        assert found == pytest.approx(value, rel=1e-14)

    @pytest.mark.parametrize(
        "write",
        [
            lambda s, x, t: s.Eq(x + 1, 1),
            lambda s, x, t: s.Eq(x.diff(t, t, t), 1),
            lambda s, x, t: x,
        ],
    )
    def test_an_equation_must_be_for_a_derivative_or_a_name(self, sympy, write):
        t = sympy.Symbol("t")
        message = refused([write(sympy, sympy.Function("x")(t), t)])
        assert "equation 1" in message
        assert "must read Eq(Derivative(x(t), t), …)" in message

    def test_derivatives_on_the_right_are_refused(self, sympy):
        t = sympy.Symbol("t")
        x = sympy.Function("x")(t)
        message = refused({"x": x.diff(t) + 1})
        assert "the derivative x' may stand on the right-hand side only where x'' has" in message
        message = refused({"x": x.diff(t, t) + 1})
        assert "the equation of x contains ['Derivative(x(t), (t, 2))']" in message
        assert "introduce a state for each further one" in message

    def test_second_order(self, sympy):
        t, k = sympy.symbols("t k")
        x = sympy.Function("x")(t)
        system = System([sympy.Eq(x.diff(t, t), -k * x - x.diff(t))], {"x": 1.0}, {"k": 2.0})
        assert right_sides(system) == {"x": "dx", "dx": "- k * x - dx"}

    def test_definitions_and_observables(self, sympy):
        t, x, k, energy = sympy.symbols("t x k energy")
        f = sympy.Function("x")(t)
        system = System(
            [sympy.Eq(f.diff(t), -k * f), sympy.Eq(energy, f**2)], {"x": 1.0}, {"k": 2.0},
            observables=["energy"],
        )  # fmt: skip
        assert [*system.read().definitions] == ["energy"]
        again = System({x: -k * x, energy: x**2}, {x: 1.0}, {k: 2.0}, observables=["energy"])
        assert again.ingredients() == system.ingredients()

    def test_the_imaginary_unit_is_no_state_called_i(self, sympy):
        message = refused({"x": sympy.I * sympy.Symbol("x")}, {"x": 1.0, "I": 1.0})
        assert "imaginary unit" in message
        letter = sympy.Symbol("I")
        assert System({"x": letter, "I": 1}, {"x": 1.0, "I": 1.0}).states == {"x": 1.0, "I": 1.0}

    def test_what_is_no_expression_is_refused(self, sympy):
        message = refused({"x": None})
        assert "the equation of x" in message
        assert "SymPy expression" in message

    def test_functions_of_time_are_expressions(self, sympy):
        t = sympy.Symbol("t")
        x, y = sympy.Function("x")(t), sympy.Function("y")(t)
        assert self.read({"x": y, "y": x}) == {"x": "y", "y": "x"}


class TestForms:
    @pytest.mark.parametrize("equations", [5, 1.5, None])
    def test_what_holds_no_equations(self, equations):
        message = refused(equations)
        assert f"not a {type(equations).__name__}" in message
        assert "Equations are text, a list of texts, a mapping" in message

    @pytest.mark.parametrize("equations", [{"x": None}, [None], [("x", "-x")], b"dx = -x"])
    def test_what_is_no_equation_is_named_even_without_sympy(self, equations, monkeypatch):
        import sys

        monkeypatch.delitem(sys.modules, "emberkeep.ode.system.from_sympy", raising=False)
        monkeypatch.setitem(sys.modules, "sympy", None)
        assert "equation" in refused(equations)

    @pytest.mark.parametrize("text", ["dx", "dx == 3", "dx >= 3", "dx = x = 1", "dx := x = 1"])
    def test_an_equation_has_one_equals_sign(self, text):
        message = refused(["dk2 = 1", text], {"k2": 1.0, "x": 1.0})
        assert "equation 2 has" in message
        assert "equals signs and must have one" in message
        assert text in message
        assert '"dx = …", "x\' = …" or "d(x)/dt = …"' in message

    @pytest.mark.parametrize(
        "left", ["x + 1", "2", "d x", "x'''", "d3x/dt3", "d(x)/dy", "d(x", "dx/dt/dt", "x[0]", "é"]
    )
    def test_the_left_side_is_a_derivative_or_a_name(self, left):
        message = refused(f"{left} = 1")
        assert "equation 1: the left-hand side is neither a derivative nor a name" in message
        assert marked(message) == left
        assert 'Write "dx = …"' in message

    def test_there_must_be_states(self):
        assert "A system needs states: states={'x': 1.0, …}" in refused("dx = 1", {})

    def test_a_function_has_no_functions(self):
        def right(t, y, p):
            return (0.0,)

        assert "leave out functions=" in refused(right, functions={"f": abs})
        assert "used twice" in refused(right, observables=["x"])
        system = System(right, {"x": 1.0})
        assert system.function is right
        assert system.equations == ()


class TestNames:
    @pytest.mark.parametrize("kind", ["states", "parameters"])
    @pytest.mark.parametrize("given", [["x", "y"], ("x", "y"), "xy"])
    def test_names_need_default_values(self, kind, given):
        message = refused("dz = 1", **{"states": {"z": 0.0}, kind: given})
        assert f"The {kind} must be names with default values: {{'x': 0.0, 'y': 0.0}}" in message

    @pytest.mark.parametrize(
        ("kind", "given"), [("states", 5), ("states", None), ("functions", [abs])]
    )
    def test_what_is_no_mapping_is_named(self, kind, given):
        with pytest.raises(InvalidSystem, match=kind.removesuffix("s")):
            System("dx = 1", **{"states": {"x": 1.0}, kind: given})

    @pytest.mark.parametrize(
        ("kind", "more"),
        [
            ("state", {"states": {"x": 1.0, "bad": "one"}}),
            ("parameter", {"parameters": {"bad": "one"}}),
            ("constant", {"constants": {"bad": "one"}}),
        ],
    )
    def test_defaults_are_numbers(self, kind, more):
        message = refused("dx = 1", **more)
        assert message == f"The default of the {kind} 'bad' must be a number; it is 'one'"

    @pytest.mark.parametrize("value", [None, 1j, "", {}])
    def test_defaults_that_are_no_numbers(self, value):
        message = refused("dx = 1", parameters={"k": value})
        assert f"'k' must be a number; it is {value!r}" in message

    @pytest.mark.parametrize("value", [3, True, np.float32(3), np.int8(3), "3"])
    def test_defaults_become_floats(self, value):
        found = System("dx = 1", {"x": value}).states["x"]
        assert type(found) is float
        assert found == float(value)

    @pytest.mark.parametrize("name", ["", "2x", "x y", "x-y", "_x", "x.y", "x'", "ж", "é", "x\n"])
    def test_names_are_letters_digits_and_underscores(self, name):
        message = refused("dx = 1", {"x": 1.0, name: 1.0})
        assert f"{name!r} cannot be the name of a state" in message
        assert "names are letters, digits and underscores, and begin with a letter" in message

    @pytest.mark.parametrize("name", ["pi", "and", "or", "not", "if", "else", "True", "lambda"])
    @pytest.mark.parametrize("kind", ["parameters", "constants", "functions"])
    def test_words_are_no_names(self, name, kind):
        message = refused("dx = 1", **{kind: {name: 1.0}})
        assert f"{name!r} cannot be the name of a {kind.removesuffix('s')}" in message
        assert f"it is a word with a meaning of its own. Call it '{name}_'" in message

    def test_time_is_no_name(self):
        message = refused("dx = 1", parameters={"t": 1.0})
        assert "'t' cannot be the name of a parameter: it is time. Call it 't_'" in message

    @pytest.mark.parametrize("name", ["t", "pi", "lambda", "_a"])
    def test_definitions_cannot_have_such_names(self, name):
        message = refused(f"dx = {name}; {name} = 1")
        assert f"{name!r} cannot be the name of a definition" in message

    @pytest.mark.parametrize(
        ("more", "kinds"),
        [
            ({"parameters": {"x": 1.0}}, "for a state and for a parameter"),
            ({"constants": {"x": 1.0}}, "for a state and for a constant"),
            ({"constants": {"k": 1.0}}, "for a parameter and for a constant"),
            ({"functions": {"k": abs}}, "for a parameter and for a function"),
        ],
    )
    def test_a_name_is_used_once(self, more, kinds):
        message = refused("dx = 1", **more)
        assert re.fullmatch(rf"The name '[xk]' is used twice: {kinds}\. Rename one", message)

    def test_what_is_no_function_cannot_be_called(self):
        message = refused("dx = 1", functions={"f": 3})
        assert "The function 'f' is a int" in message


class TestUnknownNames:
    def test_it_is_shown_where_it_stands(self):
        message = refused("dx = k*x + speed/2")
        assert "equation 1: the name 'speed' is not known" in message
        assert "    dx = k*x + speed/2\n" in message
        assert marked(message) == "speed"
        assert "Declare it as a state, parameter, constant or driver" in message
        assert "functions={…}" in message

    @pytest.mark.parametrize(
        ("text", "wrong", "meant"),
        [
            ("dx = -rat*x", "rat", "rate"),
            ("dx = -rate*sen(x)", "sen", "sin"),
            ("dx = -rate*tanhh(x)", "tanhh", "tanh"),
            ("dx = -rate*hlf; half = 0.5; x2 = half", "hlf", "half"),
        ],
    )
    def test_a_similar_name_is_suggested(self, text, wrong, meant):
        message = refused(text, parameters={"rate": 1.0})
        assert f"the name {wrong!r} is not known" in message
        assert marked(message) == wrong
        assert f"Did you mean {meant!r}? Declare it" in message

    def test_nothing_is_suggested_where_nothing_is_similar(self):
        assert "Did you mean" not in refused("dx = quux")

    def test_it_is_not_mistaken_for_part_of_another_name(self):
        message = refused("dx = xe + exq*q", parameters={"xe": 1.0, "exq": 1.0})
        assert "the name 'q' is not known" in message
        assert message.split("\n")[2] == "    " + " " * 14 + "^"

    def test_on_the_left_it_is_not_meant(self):
        message = refused("d(x)/dt = d", {"x": 1.0})
        assert message.split("\n")[2] == "    " + " " * 10 + "^"

    @pytest.mark.parametrize("name", ["None", "lambda", "inf", "nan", "j", "E", "_x", "math"])
    def test_words_of_python_are_no_names_of_ours(self, name):
        assert f"the name {name!r} is not known" in refused(f"dx = 2*{name}")

    def test_in_a_mapping_the_state_is_named(self):
        message = refused({"x": "quux"})
        assert "d(x)/dt = quux" in message
        assert marked(message) == "quux"

    @pytest.mark.parametrize("text", ["dx = λ", "dx = λ*x", "dx = λ(x)"])
    def test_letters_of_other_alphabets_are_unknown_names(self, text):
        message = refused(text)
        assert "λ" in message
        assert "Give it arguments" not in message


class TestWhoseEquation:
    def test_the_derivative_of_what_is_no_state(self):
        message = refused("dx = 1; d(z)/dt = 2")
        assert "equation 2 gives the derivative of 'z', which is no state" in message
        assert "    d(z)/dt = 2\n" in message
        assert "Add it to states={…}; there are x" in message

    def test_in_a_mapping_all_are_derivatives(self):
        assert "derivative of 'r', which is no state" in refused({"x": "r", "r": "2"})

    def test_every_state_needs_an_equation(self):
        message = refused("dx = 1", {"x": 1.0, "y": 1.0, "z": 1.0})
        assert "There is no equation for 'y', 'z'" in message
        assert '"dy = …"; what has none is a parameter or a constant' in message

    @pytest.mark.parametrize("equations", ["", [], {}, "# dx = 1"])
    def test_no_equation_at_all(self, equations):
        assert "There is no equation for 'x'" in refused(equations)

    @pytest.mark.parametrize("second", ["dx = 2", "x' = 2", "d(x)/dt = 1", "dx/dt = 2"])
    def test_a_state_has_one_equation(self, second):
        message = refused(f"dx = 1; {second}")
        assert message == "equation 2 and equation 1 are both for 'x'. Keep one of them"

    def test_a_name_is_defined_once(self):
        message = refused("dx = a; a = 1; a = 2")
        assert message == "equation 3 and equation 2 are both for 'a'. Keep one of them"

    def test_a_state_is_no_definition(self):
        message = refused("x = 1")
        assert "equation 1 defines 'x', which is a state already:\n    x = 1" in message
        assert 'Write "dx = …" for its derivative' in message

    @pytest.mark.parametrize(
        ("name", "kind"), [("k", "parameter"), ("c", "constant"), ("f", "function")]
    )
    def test_what_is_declared_is_no_definition(self, name, kind):
        message = refused(f"dx = 1; {name} = 1", constants={"c": 1.0}, functions={"f": abs})
        assert f"equation 2 defines {name!r}, which is a {kind} already" in message
        assert "Rename one" in message

    @pytest.mark.parametrize(
        "definitions", ["a = a + 1", "a = b; b = a", "b = a; c = 2*b; a = 1 - c"]
    )
    def test_definitions_may_not_need_themselves(self, definitions):
        message = refused(f"dx = a; {definitions}")
        for name in {"a", "b", "c"} & set(definitions):
            assert repr(name) in message
        assert "need each other" in message
        assert "but not, by way of them, itself" in message

    def test_only_those_in_the_ring_are_named(self):
        message = refused("dx = c; c = a; a = b; b = a")
        assert "'a', 'b'" in message
        assert "'c'" not in message

    def test_a_definition_must_be_used(self):
        message = refused("dx = 1; dz = 2*x")
        assert "equation 2 defines 'dz', which nothing uses:\n    dz = 2*x" in message
        assert "list it in observables=[…]" in message
        assert "its state is missing in states={…}" in message

    def test_an_observable_needs_an_equation(self):
        message = refused("dx = 1", observables=["energy"])
        assert message == ("The observable 'energy' has no equation. Add one: \"energy = …\"")

    def test_a_state_is_no_observable(self):
        assert "x = …" not in refused("dx = 1", observables=["x"])


class TestGrammar:
    @pytest.mark.parametrize(
        ("right", "problem", "shown"),
        [
            ("", "there is nothing after the equals sign", ""),
            ("x k", "invalid syntax", "k"),
            ("2x", "invalid", ""),
            ("(x + k", "'(' was never closed", "("),
            ("x + k)", "unmatched ')'", ")"),
            ("x + * k", "invalid syntax", "*"),
            ("x $ k", "invalid syntax", "$"),
            ("x if x > k", "expected 'else' after 'if' expression", "x"),
            ("x // k", "this operator has no meaning here", "x // k"),
            ("x @ k", "this operator has no meaning here", "x @ k"),
            ("x[0]", "this (Subscript) has no meaning in an equation", "x [ 0 ]"),
            ("x.x", "this (Attribute) has no meaning in an equation", "x . x"),
            ("[x]", "this (List) has no meaning in an equation", "[ x ]"),
            ("k*(x, k)", "this (Tuple) has no meaning in an equation", "( x , k )"),
            ("'x'", "only real numbers may stand here", "' x '"),
            ("not x", "a condition is expected here", "x"),
            ("x and k", "a condition is expected here", "x"),
            ("1 if x else 2", "a condition is expected here", "x"),
            ("x > 0 & k > 0", "a condition is expected here", "0"),
            ("where(x, 1, 2)", "a condition is expected here", "x"),
            ("Piecewise(x)", "a piece is a pair", "x"),
            ("Piecewise((x, 1))", "a condition is expected here", "1"),
            ("sin", "'sin' is a function", "sin"),
            ("2*Max", "'Max' is a function", "Max"),
            ("x(2)", "'x' is a value, and is called like a function", "x ( 2 )"),
            ("k(x + 1)", "'k' is a value, and is called like a function", "k ( x + 1 )"),
            ("t(x)", "'t' is a value, and is called like a function", "t ( x )"),
            ("(x + 1)(k)", "functions are called by their name", "( x + 1 ) ( k )"),
            ("x.x(k)", "functions are called by their name", "x . x ( k )"),
        ],
    )
    def test_a_mistake_is_shown_where_it_was_made(self, right, problem, shown):
        message = refused(f"dx = {right}")
        assert "equation 1 (d(x)/dt)" in message
        assert problem in message
        assert marked(message).startswith(shown)
        assert len(message.split("\n")) == 4
        assert message.split("\n")[-1]

    @pytest.mark.parametrize(
        ("right", "remedy"),
        [
            ("2x", "with * for products; ** or ^ for powers"),
            ("x // k", "Use + - * / ** %"),
            ("sin", "Give it arguments: sin(x)"),
            ("k(x)", "Write k * (…) for a product"),
            ("not x", "Write a comparison: x > 0"),
            ("Piecewise(x)", "Write Piecewise((value, condition), (other, True))"),
            ("'x'", "Write a number or a name"),
            ("(x + 1)(k)", "Write f(x, y)"),
        ],
    )
    def test_it_is_said_what_to_write_instead(self, right, remedy):
        assert remedy in refused(f"dx = {right}")

    @pytest.mark.parametrize(
        ("call", "wanted"),
        [
            ("sin()", "sin takes 1 arguments, not 0"),
            ("sin(x, x)", "sin takes 1 arguments, not 2"),
            ("atan2(x)", "atan2 takes 2 arguments, not 1"),
            ("arctan2(x)", "atan2 takes 2 arguments, not 1"),
            ("log(x, 2, 3)", "log takes 1 to 2 arguments, not 3"),
            ("heaviside(x, 0, 1)", "heaviside takes 1 to 2 arguments, not 3"),
            ("where(x > 0, 1)", "where takes 3 arguments, not 2"),
            ("max()", "max takes 1 to 99 arguments, not 0"),
            ("Not(x > 0, x > 1)", "Not takes 1 arguments, not 2"),
            ("Piecewise()", "Piecewise takes 1 to 99 arguments, not 0"),
        ],
    )
    def test_functions_take_so_many_arguments(self, call, wanted):
        message = refused(f"dx = 1 + {call}")
        assert wanted in message
        assert marked(message).replace(" ", "") == call.replace(" ", "")

    def test_arguments_have_no_names(self):
        message = refused({"x": "max(x, k=1)"})
        assert "functions are called by their name and by position" in message

    def test_a_mistake_in_a_definition_names_the_definition(self):
        message = refused("dx = a; a = sin()")
        assert "equation 2 (a): sin takes 1 arguments" in message

    def test_a_function_of_the_user_needs_arguments_too(self):
        message = refused("dx = f", functions={"f": abs})
        assert "'f' is a function" in message

    @pytest.mark.parametrize("right", ["pi(x)", "2*pi(x + 1)"])
    def test_pi_is_a_value(self, right):
        assert "'pi' is a value" in refused(f"dx = {right}")

    @pytest.mark.parametrize(
        ("right", "problem"),
        [
            ("sin(x) // k", "this operator has no meaning here"),
            ("sin(x) + x[0]", "this (Subscript) has no meaning"),
            ("f(x) // k", "this operator has no meaning here"),
            ("max(*x)", "this (Starred) has no meaning"),
        ],
    )
    def test_a_mistake_beside_a_function_is_the_one_that_is_shown(self, right, problem):
        assert problem in refused(f"dx = {right}", functions={"f": abs})

    def test_a_comma_may_follow_the_last_argument(self):
        assert System("dx = max(x, 1,)", {"x": 1.0})

    def test_a_number_too_large_is_named(self):
        assert "equation 1" in refused(f"dx = 1{'0' * 400}")

    def test_a_number_that_overflows_is_named(self):
        assert "1e999" in refused("dx = 1e999*x")


class TestDepth:
    @pytest.mark.parametrize("operator", ["+", "-"])
    def test_a_sum_of_3000_terms_parses(self, operator):
        System(f"dx = {f' {operator} '.join(['x', 'k', '2.5'] * 1000)}", {"x": 1}, {"k": 1}).check()

    def test_a_sum_of_1000_terms_parses(self):
        System(f"dx = {' + '.join(['sin(x)*k'] * 1000)}", {"x": 1.0}, {"k": 1.0}).check()

    def test_brackets_in_brackets_are_not_endless(self):
        message = refused(f"dx = {'(' * 300}x{')' * 300}")
        assert "equation 1 (d(x)/dt)" in message
        assert "too many nested parentheses" in message

    @pytest.mark.parametrize(
        "right", ["- " * 900 + "x", "".join(f"{n} if x > {n} else " for n in range(900)) + "x"]
    )
    def test_what_is_too_deep_is_refused_with_words(self, right):
        try:
            System(f"dx = {right}", {"x": 1.0}).check()
        except InvalidSystem as problem:
            assert "nested too deeply. Split it by naming parts" in str(problem)  # noqa: PT017
        except RecursionError:
            pytest.fail("a RecursionError says nothing of the equation", pytrace=False)


class TestLargeSystems:
    def test_large_systems_are_parsed_when_they_are_compiled(self):
        states = {f"s{number}": 0.0 for number in range(700)}
        equations = {name: f"{name} + 2" for name in states}
        equations["s7"] = "sin() + 2"
        system = System(equations, states)
        with pytest.raises(InvalidSystem, match="sin takes 1 arguments"):
            system.check()

    @pytest.mark.parametrize("right", ["x y", "quux", "(x"])
    def test_what_is_plainly_wrong_shows_at_once(self, right):
        states = {f"s{number}": 0.0 for number in range(700)}
        equations = {**dict.fromkeys(states, "x + 2"), "x": right}
        assert "equation 701" in refused(equations, {**states, "x": 1.0})


class TestFrozen:
    def test_nothing_of_it_changes(self):
        system = two("dx = a; dy = b")
        with pytest.raises(AttributeError, match=r"'states' cannot change.*with_constants"):
            system.states = {}

    def test_constants_change_in_a_copy(self):
        system = two("dx = c; dy = d", constants={"c": 1.0, "d": 2.0})
        other = system.with_constants(d=5)
        assert (system.constants, other.constants) == ({"c": 1.0, "d": 2.0}, {"c": 1.0, "d": 5.0})
        assert other.equations is system.equations
        assert other.ingredients() == system.ingredients()

    def test_unknown_constants_are_refused(self):
        system = two("dx = c; dy = b", constants={"c": 1.0})
        with pytest.raises(InvalidSystem, match=r"\['a'\] are no constants of x_y; it has \['c'\]"):
            system.with_constants(a=1)
        with pytest.raises(InvalidSystem, match="it has none"):
            two("dx = a; dy = b").with_constants(c=1)
        with pytest.raises(InvalidSystem, match="the constant 'c' must be a number; it is 'one'"):
            system.with_constants(c="one")

    def test_numbers_are_no_ingredients(self):
        one = System("dx = -k*x*c", {"x": 1.0}, {"k": 1.0}, constants={"c": 1.0})
        other = System("dx = -k*x*c", {"x": 2.0}, {"k": 3.0}, constants={"c": 4.0})
        assert one.ingredients() == other.ingredients()
