"""What is in a key, and what is not: each field of a plan, each part of a system; no number."""

import math
import os
import subprocess
import sys
import threading

import pytest

from emberkeep import ode
from emberkeep.errors import InvalidPlan
from emberkeep.keys import fingerprint
from emberkeep.ode.compilation import OWN, Compilation
from emberkeep.ode.events.planned import PlannedEvent
from emberkeep.ode.methods import method
from emberkeep.ode.methods.tableau import Tableau
from emberkeep.ode.outputs import OUTPUTS
from emberkeep.ode.plan import Plan, make_plan
from emberkeep.ode.sensitivities import with_sensitivities
from emberkeep.startup_records import as_dict, replace
from emberkeep.targets.cpu.target import CpuTarget
from emberkeep.targets.cuda.target import CudaTarget
from emberkeep.targets.kernel_lookup import build_half
from emberkeep.testing import key_of

EQUATIONS = "dx = a*x + b*helped; helped = f(x)"
PARTS = {"states": {"x": 1.0}, "parameters": {"a": 1.0}, "constants": {"b": 2.0}}


def half(x):
    return 0.5 * x


def third(x):
    return x / 3.0


def system(equations=EQUATIONS, **changed):
    given = {**PARTS, "functions": {"f": half}, "observables": ["helped"], **changed}
    return ode.System(equations, **given, name="keyed")


def plan(one=None, **changed):
    made = make_plan(
        one or system(), method_name="tsit5", outputs=("final",), precision="float64", saves=False
    )
    return replace(made, changed)


def key(one):
    return fingerprint(dict(Compilation(one).ingredients())).digest


# For each field of a plan, values that differ from the one above. A new field fails here until it
# has some.
OTHER_PLANS = {
    "system": [system(functions={"f": third})],
    "tableau": [method("rk4")],
    "stepping": ["fixed", "chosen, reversed", "fixed, reversed"],
    "outputs": [("states",)],
    "precision": ["float32"],
    "events": [(PlannedEvent("timed"),), (PlannedEvent("steady"),)],
    "by": [("a",)],
}


def test_every_field_of_a_plan_has_other_values_here():
    assert set(OTHER_PLANS) == set(Plan.__match_args__)


@pytest.mark.parametrize("field", Plan.__match_args__)
def test_each_field_of_a_plan_is_in_its_key(field):
    keys = {key(plan(**{field: value})) for value in OTHER_PLANS[field]}
    assert len(keys) == len(OTHER_PLANS[field])
    assert key(plan()) not in keys


ALL_OUTPUTS = [("final",), ("states",), ("states", "final")]


@pytest.mark.parametrize("target", [CpuTarget(), CudaTarget("sm_90")], ids=["cpu", "cuda"])
@pytest.mark.parametrize(("name", "codes"), [("rk4", [0, 0, 0]), ("tsit5", [0, 1, 1])])
def test_outputs_share_code_where_that_costs_nothing(target, name, codes):
    """Fixed steps end where states are saved; between chosen ones, saving takes interpolation."""
    plans = [
        make_plan(
            system(),
            method_name=name,
            outputs=outputs,
            precision="float64",
            saves="states" in outputs,
        )
        for outputs in ALL_OUTPUTS
    ]
    keys = [key_of(Compilation(each), target) for each in plans]
    assert [keys.index(one) for one in keys] == codes
    texts = [Compilation(each).source(target).text for each in plans]
    assert [texts.index(one) for one in texts] == codes


@pytest.mark.parametrize("field", Tableau.__match_args__)
def test_each_field_of_a_tableau_is_in_the_key(field):
    known = method("tsit5")
    value = getattr(known, field)
    changed = {str: "other", int: 7}.get(type(value)) or (*value[:-1], *(value[:1] or (0.5,)))
    assert changed != value
    assert key(plan(tableau=replace(known, {field: changed}))) != key(plan())


OTHER_SYSTEMS = {
    "states": system(
        "dx = a*x + b*helped + y; dy = -y; helped = f(x)", states={"x": 1.0, "y": 1.0}
    ),
    "parameters": system(parameters={"a": 1.0, "unused": 1.0}),
    "constants": system(constants={"b": 2.0, "unused": 1.0}),
    "observables": system(
        EQUATIONS.replace("b*helped", "b*helped + 0*more") + "; more = x",
        observables=["more", "helped"],
    ),
    "equations": system(EQUATIONS.replace("a*x", "a*x*x")),
    "functions": system(functions={"f": third}),
    "drivers": system(drivers=["unused"]),
    "sensitivities": with_sensitivities(system(), ["a"], "states"),
    "mass": system(mass={"x": 2.0}),
}


def test_every_ingredient_of_a_system_has_another_value_here():
    assert set(OTHER_SYSTEMS) == set(system().ingredients())


@pytest.mark.parametrize("ingredient", OTHER_SYSTEMS)
def test_each_ingredient_of_a_system_is_in_the_key(ingredient):
    other = OTHER_SYSTEMS[ingredient]
    assert other.ingredients()[ingredient] != system().ingredients()[ingredient]
    # A mass matrix is nothing for the method of `plan`.
    assert key(plan(system=other)) != key(plan())


def test_no_attribute_of_a_system_is_neither_an_ingredient_nor_known_to_be_none():
    """Default values are numbers, a name is a folder, a function is among the equations, and
    units are texts that nothing is computed with."""
    known = {"name", "function", "units"}
    assert set(ode.System.__slots__) - known == set(system().ingredients())


@pytest.mark.parametrize(
    "other",
    [
        system("helped=f( x );   dx=a*x   + b * helped  # the same"),
        system(["d(x)/dt = a*x + b*helped", "helped = f(x)"]),
        system("x' = a*x + b*helped\n\nhelped = f(x)"),
        system(states={"x": 5.0}, parameters={"a": -3.0}, constants={"b": 0.0}),
        system().with_constants(b=17.0),
        system(functions={"f": lambda x: 0.5 * x}),
    ],
    ids=[
        "spaces and order",
        "list",
        "prime",
        "defaults",
        "with_constants",
        "another such function",
    ],
)
def test_what_means_the_same_has_the_same_key(other):
    assert key(plan(other)) == key(plan())


def test_powers_may_be_written_in_two_ways():
    first, second = (ode.System(f"dx = x{sign}2", {"x": 1.0}) for sign in ("^", "**"))
    assert key(plan(first)) == key(plan(second))


def test_names_of_a_method_and_of_a_precision_are_one_plan():
    plans = {
        make_plan(PLAIN, method_name=name, outputs=outputs, precision=precision, saves=True)
        for name in ("tsit5", "Tsitouras5", "TSIT5")
        for precision in ("float64", "double", "f64")
        for outputs in (("states", "final"), ["final", "states"], {"final", "states"})
    }
    assert len(plans) == 1


PLAIN = ode.System("dx = -x", {"x": 1.0})


def with_captured(value):
    def f(x):
        return value * x

    return f


def scale(x):
    return FACTOR * x


FACTOR = 2.0


def test_functions_count_by_what_they_do(monkeypatch):
    def keyed(function):
        return key(plan(system(functions={"f": function})))

    assert keyed(with_captured(1.0)) == keyed(with_captured(1.0))
    assert keyed(with_captured(1.0)) != keyed(with_captured(2.0))
    before = keyed(scale)
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert keyed(scale) != before


def slope(t, y, p):
    return (scale(y.x) + p.a,)


def test_systems_that_are_functions_count_by_what_they_do(monkeypatch):
    def keyed():
        return key(plan(ode.System(slope, {"x": 1.0}, {"a": 1.0})))

    before = keyed()
    assert keyed() == before
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert keyed() != before


@pytest.mark.parametrize("target", [CpuTarget(), CudaTarget("sm_90")], ids=lambda one: one.name)
def test_the_code_that_generates_is_in_the_build_key(target):
    asked = Compilation(plan())
    own = build_half(target, asked.own, asked.language).ingredients["own code"]
    assert set(OWN) <= set(own)


def test_no_module_that_writes_source_is_left_out():
    """What is loaded to generate source is keyed by its bytes, or known not to write any."""
    program = (
        "import sys\n"
        "from emberkeep.ode.system.system import System\n"
        "from emberkeep.ode.plan import make_plan\n"
        "from emberkeep.targets.cpu.target import CpuTarget\n"
        "from emberkeep.targets.cuda.target import CudaTarget\n"
        "before = set(sys.modules)\n"
        "s = System('dx = -x', {'x': 1.0})\n"
        "p = make_plan(s, method_name='tsit5', outputs=('final',), precision='float64', "
        "saves=False)\n"
        "from emberkeep.ode.kernel.source import kernel_source\n"
        "kernel_source(p, CpuTarget()); kernel_source(p, CudaTarget('sm_90'))\n"
        "new = [name for name in sys.modules if name not in before]\n"
        "print(*[name for name in new if name.startswith('emberkeep.')])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    writes_none = {"emberkeep.errors", "emberkeep.ode.errors"}
    writes_none |= {"emberkeep.startup_records", "emberkeep.ode"}
    prefixes = OWN
    left_out = [name for name in ran.stdout.split() if not name.startswith(prefixes)]
    assert set(left_out) <= writes_none


def test_the_working_directory_is_no_ingredient(tmp_path):
    program = (
        "from emberkeep import ode\n"
        "from emberkeep.keys import fingerprint\n"
        "from emberkeep.ode.compilation import Compilation\n"
        "from emberkeep.ode.plan import make_plan\n"
        "def f(x): return 2*x\n"
        "s = ode.System('dx = f(x)', {'x': 1.0}, functions={'f': f})\n"
        "p = make_plan(s, method_name='rk4', outputs=None, precision='float64', saves=False)\n"
        "print(fingerprint(dict(Compilation(p).ingredients())).digest)\n"
    )
    found = set()
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / f"model{number}.py").write_text("\n" * number + program)
        ran = subprocess.run(
            [sys.executable, f"model{number}.py"],
            cwd=folder,
            env={**os.environ, "PYTHONHASHSEED": str(number)},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(ran.stdout)
    assert len(found) == 1


def test_what_has_no_key_is_compiled_unkept_with_a_warning(tmp_path):
    from emberkeep import Keep, StoreWarning

    def f(x):
        return -x

    f.lock = threading.Lock()  # whoever calls it could ask for it
    strange = ode.System("dx = f(x)", {"x": 1.0}, functions={"f": f}, name="strange")
    solver = ode.Solver(strange, target="cpu", method="rk4", keep=Keep(tmp_path))
    with pytest.warns(StoreWarning, match=r"'strange' is compiled in each process.*lock"):
        result = solver.solve((0, 1), dt=0.01)
    assert abs(result.final[0, 0] - math.exp(-1)) < 1e-9
    assert not list(tmp_path.glob("generated/strange/*"))


@pytest.mark.parametrize("outputs", [(), ("median",), ("states", "median")])
def test_outputs_that_are_none_are_refused(outputs):
    with pytest.raises(InvalidPlan, match=", ".join(OUTPUTS)):
        make_plan(PLAIN, method_name="rk4", outputs=outputs, precision="float64", saves=False)


def test_as_dict_of_a_plan_has_all_its_fields():
    assert set(as_dict(plan())) == set(Plan.__match_args__)
