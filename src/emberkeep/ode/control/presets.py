"""Controllers by name, and what a user asks for as one of them.

Sources: Gustafsson, ACM TOMS 17 (1991) and 20 (1994); Hairer, Nørsett & Wanner, Solving ODEs I
(dopri5), and Hairer & Wanner II; Söderlind, ACM TOMS 29 (2003), table of low-pass filters;
Söderlind & Wang, J. Comput. Appl. Math. 185 (2006); `pid`: Kennedy & Carpenter, Appl. Numer. Math.
44 (2003).
"""

from __future__ import annotations

from emberkeep.errors import InvalidPlan
from emberkeep.ode.control.controller import Controller, check
from emberkeep.startup_records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.ode.methods import Method

PRESETS = {
    one.name: one
    for one in (
        Controller("fixed", "fixed"),
        # The default. As of the others with small exponents, its safety is such that steps settle
        # at 0.9 of what errors allow.
        Controller("pi", "pid", (0.85, -0.2, 0.0), safety=0.934),
        Controller("i", "pid", (1.0, 0.0, 0.0)),
        # The default of methods that choose their order: an estimate is of one step among several
        # that errors come from, and a rejected step costs new factors.
        Controller("orders", "pid", (1.0, 0.0, 0.0), safety=0.7),
        Controller("pi33", "pid", (2 / 3, -1 / 3, 0.0)),
        Controller("pi34", "pid", (0.7, -0.4, 0.0)),
        Controller("pi42", "pid", (0.6, -0.2, 0.0)),
        # β = 0.04 at order 5.
        Controller("dopri5", "pid", (0.85, -0.2, 0.0)),
        Controller("dop853", "pid", (1.0, 0.0, 0.0), least=0.333, most=6.0),
        Controller("pid", "pid", (0.49, -0.34, 0.1)),
        # Filters, whose exponents are small: with these safeties, steps settle where the others'
        # do, at 0.9 of what errors allow.
        Controller("h211pi", "pid", (1 / 6, 1 / 6, 0.0), safety=0.965),
        Controller("h211b", "pid", (1 / 4, 1 / 4, 0.0), ratio=-1 / 4, safety=0.95),
        Controller("h312pid", "pid", (1 / 18, 1 / 9, 1 / 18), safety=0.975),
        Controller("gustafsson", "gustafsson", (2.0, -1.0, 0.0), ratio=1.0),
    )
}

# Other names of these; "constant" and "integral" are how others' documents call them.
ALIASES = {
    "constant": "fixed",
    "integral": "i",
    "standard": "i",
    "pi3333": "pi33",
    "hairer": "dopri5",
    "predictive": "gustafsson",
    "default": "pi",
}


def controller(
    given: str | Controller | None,
    tableau: Method,
    *,
    safety: float | None = None,
    least: float | None = None,
    most: float | None = None,
) -> Controller:
    """The controller that is asked for, fit for a method.

    Args:
        given: a name, a controller, or None for the method's own: PI where it estimates its error,
            that of orders where it chooses these, else fixed.
        tableau: the method.
        safety: in place of the controller's own.
        least: in place of the controller's own.
        most: in place of the controller's own.

    Raises:
        InvalidPlan: there is no such controller, its numbers are none, or the method estimates no
            error that it could go by.
    """
    if given is None:
        given = _default_of(tableau)
    chosen = named(given) if isinstance(given, str) else given
    if not isinstance(chosen, Controller):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidPlan(
            f"controller={chosen!r} is not known; expected a name, such as 'pi', or a Controller"
        )
    asked = {"safety": safety, "least": least, "most": most}
    changes: dict[str, object] = {name: value for name, value in asked.items() if value is not None}
    if changes and not chosen.is_adaptive:
        raise InvalidPlan(
            f"{', '.join(changes)} {'was' if len(changes) == 1 else 'were'} passed, and steps are "
            f"fixed ({tableau.name}, controller {chosen.name!r}). Leave out, or pass a method and "
            "a controller that go by errors"
        )
    if chosen.is_adaptive and not tableau.is_adaptive:
        raise InvalidPlan(
            f"The controller {chosen.name!r} goes by an estimate of the error, and the method "
            f"{tableau.name!r} has none. Pass controller='fixed' with dt=…, or a method that has "
            "one, such as 'tsit5'"
        )
    if tableau.chooses_order and not chosen.goes_by_last_error:
        raise InvalidPlan(
            f"The controller {chosen.name!r} goes by several errors, or by none, and "
            f"{tableau.name!r} chooses the order and length of a step by what the last one would "
            "have been wrong by with several orders. Leave out controller=, or pass 'orders' or "
            "'i', with safety=… to be more careful"
        )
    return check(replace(chosen, changes))


def _default_of(tableau: Method) -> str:
    if tableau.chooses_order:
        return "orders"
    return "pi" if tableau.is_adaptive else "fixed"


def named(name: str) -> Controller:
    """A controller by any of its names.

    Raises:
        InvalidPlan: there is none of this name.
    """
    plain = name.lower().replace("-", "").replace("_", "")
    found = PRESETS.get(ALIASES.get(plain, plain))
    if found is None:
        raise InvalidPlan(
            f"There is no controller {name!r}; expected one of {', '.join(sorted(PRESETS))}, or a "
            "Controller of your own"
        )
    return found
