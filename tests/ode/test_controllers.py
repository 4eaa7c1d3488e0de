"""Step control in plain Python: presets, bounds, what is remembered, and what users ask for."""

import math
import runpy
from pathlib import Path

import pytest

from emberkeep.errors import InvalidPlan
from emberkeep.ode.control.controller import Controller, check, exponents
from emberkeep.ode.control.presets import ALIASES, PRESETS, controller, named
from emberkeep.ode.control.reference import Memory, decide
from emberkeep.ode.methods import EXPLICIT, numbers_of
from emberkeep.startup_records import replace

TSIT5, RK4, DOP853 = map(numbers_of, ("tsit5", "rk4", "dop853"))
CHOOSING = {name: one for name, one in PRESETS.items() if one.is_adaptive}
every_controller = pytest.mark.parametrize("name", sorted(CHOOSING))
reference = runpy.run_path(Path(__file__).parent / "explicit_reference.py")
FREE = {"least": 1e-9, "most": 1e9}


def free(name, **changes):
    """A controller without bounds that are met."""
    return replace(PRESETS[name], {**FREE, **changes})


# Laws -------------------------------------------------------------------------------------------

BEFORE = Memory(previous=0.5, earlier=0.25, step=0.1)
ERROR, STEP = 0.8, 0.15
LAWS = {  # at order 5, written out
    "i": 0.9 * ERROR**-0.2,
    "orders": 0.7 * ERROR**-0.2,
    "pi": 0.934 * ERROR**-0.17 * 0.5**0.04,
    "pi33": 0.9 * ERROR ** (-2 / 15) * 0.5 ** (1 / 15),
    "pi34": 0.9 * ERROR**-0.14 * 0.5**0.08,
    "pi42": 0.9 * ERROR**-0.12 * 0.5**0.04,
    # As dopri5.f has it: expo1 = 0.2 - 0.75 beta, beta = 0.04.
    "dopri5": 0.9 * ERROR ** -(0.2 - 0.75 * 0.04) * 0.5**0.04,
    "dop853": 0.9 * ERROR**-0.2,
    "pid": 0.9 * ERROR**-0.098 * 0.5**0.068 * 0.25**-0.02,
    "h211pi": 0.965 * ERROR ** (-1 / 30) * 0.5 ** (-1 / 30),
    "h211b": 0.95 * ERROR**-0.05 * 0.5**-0.05 * 1.5**-0.25,
    "h312pid": 0.975 * ERROR ** (-1 / 90) * 0.5 ** (-1 / 45) * 0.25 ** (-1 / 90),
    # As radau5.f has it, and at most what the last error alone gives.
    "gustafsson": min(0.9 * 1.5 * (0.5 / ERROR**2) ** 0.2, 0.9 * ERROR**-0.2),
}


@every_controller
def test_the_next_step_is_as_the_law_says(name):
    accepted, factor, memory = decide(free(name), TSIT5, ERROR, STEP, BEFORE)
    assert accepted
    assert factor == pytest.approx(LAWS[name], rel=1e-12)
    assert memory == Memory(previous=ERROR, earlier=0.5, step=STEP)


def test_exponents_go_by_the_power_of_the_estimate():
    one = PRESETS["pi34"]
    assert exponents(one, TSIT5).errors == pytest.approx((0.14, -0.08, 0.0))
    assert exponents(one, DOP853).errors == pytest.approx((0.0875, -0.05, 0.0))
    assert exponents(one, numbers_of("fehlberg45")).retry == 1 / 5
    assert exponents(one, numbers_of("bosh3")).retry == 1 / 3
    assert exponents(PRESETS["h211b"], TSIT5).ratio == -1 / 4


# Rejection and bounds ---------------------------------------------------------------------------


@every_controller
@pytest.mark.parametrize("error", [1.0000001, 2.0, 1e3, 1e9, math.inf, math.nan])
def test_a_rejected_step_is_tried_again_with_a_shorter_one(name, error):
    accepted, factor, memory = decide(PRESETS[name], TSIT5, error, STEP, BEFORE)
    assert not accepted
    assert PRESETS[name].least <= factor < PRESETS[name].safety
    assert memory == replace(BEFORE, {"rejected": True})


@every_controller
def test_a_rejected_step_is_chosen_by_its_own_error(name):
    _, factor, _ = decide(free(name, safety=0.9), TSIT5, 4.0, STEP, BEFORE)
    assert factor == pytest.approx(0.9 * 4**-0.2)


@every_controller
def test_no_step_grows_right_after_a_rejection_and_the_next_one_may(name):
    one = PRESETS[name]
    _, _, memory = decide(one, TSIT5, 3.0, STEP, Memory())
    accepted, factor, memory = decide(one, TSIT5, 1e-6, STEP, memory)
    assert (accepted, factor) == (True, 1.0)
    assert not memory.rejected
    assert decide(one, TSIT5, 1e-6, STEP, memory)[1] > 1


@every_controller
def test_factors_stay_within_their_bounds(name):
    one = replace(PRESETS[name], {"least": 0.5, "most": 1.5})
    small = Memory(1e-6, 1e-6, STEP)
    assert decide(one, TSIT5, 0.0, STEP, small)[1] == 1.5
    assert decide(one, TSIT5, math.inf, STEP, small)[1] == 0.5


@every_controller
def test_the_first_step_knows_of_none_before(name):
    """Errors before it count as 1, and there is no ratio."""
    _, factor, _ = decide(free(name, safety=0.9), TSIT5, 0.5, 123.0, Memory())
    first = exponents(PRESETS[name], TSIT5).errors[0]
    assert factor == pytest.approx(0.9 * 0.5 ** -min(first, 0.2))


def test_fixed_steps_are_accepted_whatever_their_error():
    accepted, factor, memory = decide(PRESETS["fixed"], RK4, math.nan, 0.1, Memory())
    assert (accepted, factor, memory.step) == (True, 1.0, 0.1)


@pytest.mark.parametrize("name", ["pi", "h211pi", "h211b", "h312pid"])
def test_filters_settle_where_the_last_error_alone_does(name):
    one = PRESETS[name]
    assert one.safety ** (1 / sum(one.exponents)) == pytest.approx(0.9, abs=0.01)


@every_controller
@pytest.mark.parametrize("first", [1e-4, 1e2])
@pytest.mark.parametrize("k", range(2, 10))
def test_steps_settle_where_the_error_is_as_safety_says(name, first, k):
    """The error of a step h is h^k: from far above and below, steps come to rest."""
    one, tableau = PRESETS[name], replace(TSIT5, {"order": k, "error_order": k - 1})
    step, memory, rejected = first, Memory(), 0
    for _ in range(400):
        accepted, factor, memory = decide(one, tableau, step**k, step, memory)
        rejected += not accepted
        step *= factor
    total = sum(exponents(one, tableau).errors)
    if name == "gustafsson":
        total = 1 / k
    assert step == pytest.approx(one.safety ** (1 / (k * total)), rel=1e-3)
    assert rejected <= (20 if first > 1 else 1)


# A method and a controller together -------------------------------------------------------------


def swing(t, y):
    """y(t) = exp(3 sin t): between 0.05 and 20, steep and flat by turns."""
    return [3 * math.cos(t) * y[0]]


def norm(tableau, before, after, found, h, tolerance):
    """The error of a step over what is allowed; of two estimates, Hairer's combination."""
    scale = tolerance * max(abs(before[0]), abs(after[0]))
    first = abs(reference["moved"]([0.0], h, tableau.error, found)[0]) / scale
    if not tableau.second_error:
        return first
    second = abs(reference["moved"]([0.0], h, tableau.second_error, found)[0]) / scale
    below = math.sqrt(first * first + 0.01 * second * second)
    return first * first / below if below else 0.0


def solve(tableau, one, tolerance):
    """The error at the end, the steps that were accepted, and all attempts."""
    t, end, h, memory, accepted, attempts = 0.0, 10.0, 0.01, Memory(), 0, 0
    y = [1.0]
    while t < end:
        h = min(h, end - t)
        after, _, found = reference["step"](tableau, swing, t, y, h)
        good, factor, memory = decide(
            one, tableau, norm(tableau, y, after, found, h, tolerance), h, memory
        )
        attempts += 1
        if good:
            t, y, accepted = (end if h == end - t else t + h), after, accepted + 1
        h *= factor
        assert attempts < 20_000
    return abs(y[0] / math.exp(3 * math.sin(end)) - 1), accepted, attempts


@pytest.mark.parametrize(
    "name", [name for name in sorted(EXPLICIT) if numbers_of(name).is_adaptive]
)
def test_methods_keep_near_the_tolerance_under_the_default(name):
    tableau = numbers_of(name)
    loose, tight = (solve(tableau, PRESETS["pi"], tolerance) for tolerance in (1e-4, 1e-7))
    for (error, accepted, attempts), tolerance in ((loose, 1e-4), (tight, 1e-7)):
        assert error < 50 * tolerance
        assert attempts < 1.4 * accepted
    # A thousandth of the error takes 10^(3/k) times the steps.
    expected = 10 ** (3 / tableau.estimate_power)
    assert 0.75 * expected < tight[1] / loose[1] < 1.1 * expected


@every_controller
def test_controllers_keep_near_the_tolerance(name):
    error, accepted, attempts = solve(TSIT5, PRESETS[name], 1e-7)
    assert error < 1e-6
    assert attempts < 1.3 * accepted
    assert accepted < 1.5 * solve(TSIT5, PRESETS["i"], 1e-7)[1]


# What users ask for -----------------------------------------------------------------------------


def test_every_name_leads_to_a_controller_in_any_spelling():
    assert set(ALIASES.values()) <= set(PRESETS)
    assert not set(ALIASES) & set(PRESETS)
    for name, one in PRESETS.items():
        assert one.name == name
        assert check(one) is one
    assert named("PI-42") is named("pi_42") is named("pi42") is PRESETS["pi42"]
    assert named("H211b") is PRESETS["h211b"]
    assert named("predictive") is PRESETS["gustafsson"]


def test_without_a_wish_steps_go_by_the_error_where_there_is_one():
    assert controller(None, TSIT5) == PRESETS["pi"]
    assert controller(None, RK4) == PRESETS["fixed"]
    assert controller("fixed", TSIT5) == PRESETS["fixed"]


def test_safety_and_bounds_are_the_users():
    asked = controller("pi42", TSIT5, safety=0.8, least=0.1, most=5)
    assert (asked.safety, asked.least, asked.most) == (0.8, 0.1, 5)
    assert asked.exponents == PRESETS["pi42"].exponents
    own = Controller("own", exponents=(0.5, 0.0, 0.0))
    assert controller(own, TSIT5) == own
    assert controller(own, TSIT5, most=3.0).most == 3.0


REFUSED = {
    "a name": (("nought", TSIT5), {}, "no controller 'nought'; expected one of dop853, dopri5, fi"),
    "a type": ((7, TSIT5), {}, "controller=7 is not known; expected a name, such as 'pi'"),
    "no estimate": (
        ("i", RK4),
        {},
        "goes by an estimate of the error, and the method 'rk4' has",
    ),
    "fixed steps": ((None, RK4), {"safety": 0.8}, "safety was passed, and steps are fixed"),
    "more": (("fixed", TSIT5), {"least": 0.1, "most": 2.0}, "least, most were passed, and steps"),
    "safety": ((None, TSIT5), {"safety": 0}, "safety is 0; expected more than 0, and 1 at most"),
    "boldness": ((None, TSIT5), {"safety": 1.1}, "safety is 1.1; expected more than 0, and 1"),
    "least": ((None, TSIT5), {"least": 1.0}, "least is 1.0; expected more than 0, and below 1"),
    "none": ((None, TSIT5), {"least": 0.0}, "least is 0.0; expected more than 0"),
    "most": ((None, TSIT5), {"most": 0.5}, "most is 0.5; expected 1 at least"),
    "infinite": ((None, TSIT5), {"most": math.inf}, "most is inf; expected a finite number"),
    "text": ((None, TSIT5), {"most": "much"}, "most is 'much'; expected a finite number"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused(case):
    asked, words, message = REFUSED[case]
    with pytest.raises(InvalidPlan, match=message):
        controller(*asked, **words)


WRONG = {
    "name": ({"name": ""}, "controller's name is ''; expected text"),
    "kind": ({"kind": "magic"}, "kind is 'magic'; expected any of 'fixed', 'pid'"),
    "two": ({"exponents": (1.0, 0.0)}, r"exponents is \(1.0, 0.0\); expected three numbers"),
    "list": ({"exponents": [1.0, 0.0, 0.0]}, "expected three numbers"),
    "nan": ({"exponents": (math.nan, 0.0, 0.0)}, "expected three numbers"),
    "sign": ({"exponents": (-1.0, 0.5, 0.0)}, "add up to -0.5; expected more than 0"),
    "ratio": ({"ratio": None}, "ratio is None; expected a finite number"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_controller_that_is_none_is_refused(case):
    changes, message = WRONG[case]
    with pytest.raises(InvalidPlan, match=message):
        controller(replace(Controller("own"), changes), TSIT5)
