"""Integration methods: files of numbers, loaded when they are asked for.

A file holds one method, or a small family, each under its name in capitals.
"""

from __future__ import annotations

from emberkeep.errors import InvalidPlan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.ode.methods.implicit import ImplicitTableau
    from emberkeep.ode.methods.multistep import MultistepTableau
    from emberkeep.ode.methods.rosenbrock import RosenbrockTableau
    from emberkeep.ode.methods.tableau import Tableau

    Method = Tableau | RosenbrockTableau | ImplicitTableau | MultistepTableau

# Every explicit method → the file that holds its numbers; ...
EXPLICIT = {
    "euler": "classic",
    "heun": "classic",
    "midpoint": "classic",
    "ralston": "classic",
    "heun3": "classic",
    "kutta3": "classic",
    "ralston3": "classic",
    "rk4": "classic",
    "rk38": "classic",
    "ralston4": "classic",
    "ssprk22": "ssprk",
    "ssprk33": "ssprk",
    "ssprk43": "ssprk",
    "ssprk104": "ssprk",
    "bosh3": "bosh3",
    "fehlberg45": "fehlberg45",
    "cash-karp": "cash_karp",
    "dopri5": "dopri5",
    "bs5": "bs5",
    "tsit5": "tsit5",
    "vern6": "vern6",
    "vern7": "vern7",
    "vern8": "vern8",
    "vern9": "vern9",
    "dop853": "dop853",
}

# ... every Rosenbrock method, ...
ROSENBROCK = {
    "rosenbrock23": "rosenbrock23",
    "rosenbrock32": "rosenbrock23",
    "ros2": "ros",
    "ros2pr": "ros",
    "ros2s": "ros",
    "ros3": "ros",
    "ros3p": "ros",
    "ros3pr": "ros",
    "ros3prl": "ros",
    "ros3prl2": "ros",
    "scholz4-7": "ros",
    "rodas3": "rodas3",
    "rodas3d": "rodas3",
    "rodas3p": "rodas3",
    "rodas23w": "rodas3",
    "ros34pw1a": "ros34pw",
    "ros34pw1b": "ros34pw",
    "ros34pw2": "ros34pw",
    "ros34pw3": "ros34pw",
    "ros34prw": "ros34pw",
    "rok4a": "rok4a",
    "rosshamp4": "ros4",
    "grk4t": "ros4",
    "grk4a": "ros4",
    "veldd4": "ros4",
    "velds4": "ros4",
    "ros4lstab": "ros4",
    "rosenbrockw6s4os": "rosenbrockw6s4os",
    "rodas4": "rodas4",
    "rodas42": "rodas4",
    "rodas4p": "rodas4",
    "rodas4p2": "rodas4",
    "rodas4pw": "rodas4pw",
    "rodas5": "rodas5",
    "rodas5p": "rodas5p",
    "rodas5pe": "rodas5p",
    "rodas6p": "rodas6p",
}

# ... every implicit Runge-Kutta method, ...
IMPLICIT = {
    "implicit-euler": "sdirk",
    "implicit-midpoint": "implicit_midpoint",
    "trapezoidal": "sdirk",
    "tr-bdf2": "tr_bdf2",
    "sdirk2": "sdirk",
    "sdirk3": "sdirk",
    "sdirk4": "sdirk",
    "kvaerno3": "kvaerno",
    "kvaerno4": "kvaerno",
    "kvaerno5": "kvaerno",
    "kencarp3": "kencarp",
    "kencarp4": "kencarp",
    "kencarp47": "kencarp",
    "kencarp5": "kencarp",
    "kencarp58": "kencarp",
    "esdirk436l2sa2": "esdirk",
    "esdirk437l2sa": "esdirk",
    "esdirk54i8l2sa": "esdirk",
    "esdirk547l2sa2": "esdirk",
    "gauss-legendre-4": "gauss_legendre",
    "gauss-legendre-6": "gauss_legendre",
    "gauss-legendre-8": "gauss_legendre",
    "radau-iia-3": "radau_iia",
    "radau-iia-5": "radau_iia",
    "radau-iia-9": "radau_iia",
}

# ... and every multistep method.
MULTISTEP = {"bdf": "bdf"}

FILES = {**EXPLICIT, **ROSENBROCK, **IMPLICIT, **MULTISTEP}

# Chosen for each batch (`ode/automatic.py`), which begins by trying the second one.
AUTO, FIRST_TRIED = "auto", "tsit5"
FITTING = "rodas5pe"  # where equations are algebraic

# Every other name → the method.
ALIASES = {
    "forward-euler": "euler",
    "explicit-euler": "euler",
    "heun2": "heun",
    "heun-21": "heun",
    "improved-euler": "heun",
    "explicit-midpoint": "midpoint",
    "rk2": "midpoint",
    "ralston2": "ralston",
    "rk3": "kutta3",
    "ralston-33": "ralston3",
    "classic": "rk4",
    "classic-rk4": "rk4",
    "classical-rk4": "rk4",
    "runge-kutta-4": "rk4",
    "three-eighths": "rk38",
    "rk4-38": "rk38",
    "shu-osher": "ssprk33",
    "bogacki-shampine": "bosh3",
    "bogacki-shampine-32": "bosh3",
    "bs3": "bosh3",
    "rk23": "bosh3",
    "ode23": "bosh3",
    "bogacki-shampine5": "bs5",
    "bogacki-shampine-54": "bs5",
    "fehlberg": "fehlberg45",
    "fehlberg-45": "fehlberg45",
    "rkf45": "fehlberg45",
    "cash-karp-54": "cash-karp",
    "cashkarp": "cash-karp",
    "rkck": "cash-karp",
    "dormand-prince": "dopri5",
    "dormand-prince-54": "dopri5",
    "dopri54": "dopri5",
    "dp5": "dopri5",
    "rk45": "dopri5",
    "ode45": "dopri5",
    "dormand-prince-853": "dop853",
    "dp8": "dop853",
    "tsitouras": "tsit5",
    "tsitouras5": "tsit5",
    "tsitouras-54": "tsit5",
    "verner6": "vern6",
    "verner-65": "vern6",
    "verner7": "vern7",
    "verner-76": "vern7",
    "verner8": "vern8",
    "verner-87": "vern8",
    "ode78": "vern8",
    "verner9": "vern9",
    "verner-98": "vern9",
    "ode23s": "rosenbrock23",
    "kaps-rentrop": "grk4t",
    "shampine4": "rosshamp4",
    "rodas": "rodas4",
    "rodasp": "rodas4p",
    "backward-euler": "implicit-euler",
    "gauss1": "implicit-midpoint",
    "gauss-legendre-2": "implicit-midpoint",
    "crank-nicolson": "trapezoidal",
    "trapezoid": "trapezoidal",
    "implicit-trapezoidal": "trapezoidal",
    "trbdf2": "tr-bdf2",
    "ode23tb": "tr-bdf2",
    "sdirk22": "sdirk2",
    "alexander2": "sdirk2",
    "alexander3": "sdirk3",
    "hairer4": "sdirk4",
    "gauss2": "gauss-legendre-4",
    "gauss3": "gauss-legendre-6",
    "gauss4": "gauss-legendre-8",
    "radau3": "radau-iia-3",
    "radau": "radau-iia-5",
    "radau5": "radau-iia-5",
    "radau-iia": "radau-iia-5",
    "radau9": "radau-iia-9",
    "ndf": "bdf",
    "ode15s": "bdf",
}

NAMES = {**{name: name for name in FILES}, **ALIASES}


def method(name: str) -> Method:
    """The numbers of a method, by any of its names.

    Raises:
        InvalidPlan: there is none of this name.
    """
    found = NAMES.get(_plain(name))
    if found is None:
        raise InvalidPlan(
            f"There is no method {name!r}; expected one of {', '.join(sorted(FILES))}"
        )
    return numbers_of(found)


def chosen(given: str | Method) -> Method:
    """A method by any of its names, or a tableau of the user's own once it is found to be right.

    Raises:
        InvalidPlan: there is none of this name, or the tableau is not what it says.
    """
    if isinstance(given, str):
        return method(given)
    from emberkeep.ode.methods.implicit import ImplicitTableau
    from emberkeep.ode.methods.multistep import MultistepTableau
    from emberkeep.ode.methods.rosenbrock import RosenbrockTableau
    from emberkeep.ode.methods.tableau import Tableau

    known = Tableau | RosenbrockTableau | ImplicitTableau | MultistepTableau
    if isinstance(given, known):  # pyright: ignore[reportUnnecessaryIsInstance]
        return given.check()
    raise InvalidPlan(
        f"method={given!r} is not known; expected a name, or an ode.Tableau, an "
        "ode.RosenbrockTableau, an ode.ImplicitTableau or an ode.MultistepTableau"
    )


def require_fit(method: Method, system: str) -> None:
    """Refuse a method that does not see to algebraic equations.

    Args:
        method: that was chosen.
        system: what it was chosen for, by its name.

    Raises:
        InvalidPlan: names those that do.
    """
    from emberkeep.ode.methods.constraints import keeps_constraints

    if not keeps_constraints(method):
        fit = [name for name in FILES if keeps_constraints(numbers_of(name))]
        raise InvalidPlan(
            f"{system} has algebraic equations or a mass matrix, and a step of {method.name} does "
            f"not end where they hold. Choose a stiffly accurate method: {', '.join(sorted(fit))}"
        )


def interpolates_constraints(method: Method) -> bool:
    """Whether a method's values within a step are as accurate where equations are algebraic."""
    from emberkeep.ode.methods.constraints import interpolates

    return interpolates(method)


def numbers_of(name: str) -> Method:
    """The numbers of a method by its first name."""
    module = __import__(f"emberkeep.ode.methods.{FILES[name]}", fromlist=(name,))
    return getattr(module, name.replace("-", "_").upper())


def _plain(name: object) -> str:
    return str(name).lower().replace("_", "-")
