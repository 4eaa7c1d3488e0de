"""Texts beside the equations of a system, which use its names: what events look for and do."""

from __future__ import annotations

from emberkeep.ode.system.arrangement import require_known_names
from emberkeep.ode.system.equations import definition_of
from emberkeep.ode.system.written_equations import plain_text, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from emberkeep.ode.system.equations import Equation
    from emberkeep.ode.system.system import System


def texts_beside(system: System, texts: Mapping[str, Any], place: str) -> tuple[Equation, ...]:
    """Definitions that may use all names of a system, and are no part of it.

    Args:
        system: whose names they use.
        texts: what each is, by what it is called: text, a number, or a SymPy expression.
        place: how they are called in messages.

    Raises:
        InvalidSystem: points at what cannot be read.
    """
    found: list[Equation] = []
    for target, given in texts.items():
        text = text_of(given, place)
        found.append(definition_of(target, text if text.isascii() else plain_text(text), place))
    definitions = {each.target: each for each in system.equations if not each.is_derivative}
    known = {
        **dict.fromkeys((*system.states, *system.inputs, *system.observables), "name"),
        **dict.fromkeys(system.functions, "function"),
    }
    require_known_names(found, definitions, known)
    return (*found,)
