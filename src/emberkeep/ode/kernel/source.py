"""A plan's kernel as its target's compiler is given it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from emberkeep.ode.kernel.adaptive import Adaptive
from emberkeep.ode.kernel.adjoint.reversed import Reversed
from emberkeep.ode.kernel.call import PRODUCTS, arguments
from emberkeep.ode.kernel.code import Code
from emberkeep.ode.kernel.cuda import LANES, print_cuda
from emberkeep.ode.kernel.fixed import Fixed
from emberkeep.ode.kernel.module import print_module
from emberkeep.ode.kernel.outputs.outputs import Outputs
from emberkeep.ode.kernel.trajectory import Trajectory
from emberkeep.ode.kernel.user_functions import user_functions
from emberkeep.ode.kernel.variational_step import follows, has_values_within
from emberkeep.ode.methods.rosenbrock import RosenbrockTableau
from emberkeep.ode.methods.tableau import Tableau
from emberkeep.ode.plan import compiled
from emberkeep.ode.system.breakpoints import breakpoints
from emberkeep.ode.system.differentiable import (
    require_differentiable,
    require_differentiable_events,
    require_still_jumps,
)
from emberkeep.targets.cpu.target import CpuTarget
from emberkeep.targets.protocol import PrintedSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emberkeep.ode.plan import Plan
    from emberkeep.ode.system.reading import Read
    from emberkeep.targets.protocol import Target, UserFunction

# Beyond either, loops stand for code that would take long to compile.
MOST_STATES, MOST_INSTRUCTIONS = 24, 400

# By the compiler's own account: implicit steps of three states take 148 registers, and do without
# spilling with 126 where so many blocks are asked for. For steps of 20 states it takes 32, and
# memory for all else, unless one block is asked for.
SHORT_STATES, SHORT_BLOCKS = 4, 4

# On a GPU, the fewest states of a Rosenbrock method's steps that so many threads work on together:
# what one thread holds of more states does not fit into its registers, and most of the time goes to
# memory then. Measured on an H200, 65,536 trajectories, in milliseconds with 1, 2, 4 and 8 threads:
# POLLU (20 states) 5.9, 2.6; Brusselators of 16, 32 and 64 states 4.0, 2.8; 26, 22, 12.5; -, 77,
# 69, 52. All of it is one straight line, which compilers take seconds for: no more than so much.
TEAMS = ((10, 2), (24, 4), (48, 8))
MOST_SHARED_STATES, MOST_SHARED_INSTRUCTIONS, MOST_SHARED_PRODUCTS = 64, 1000, 1000
MOST_SHARED_BYTES = 64 << 10  # of a block, on the least of the GPUs that compilers still know

# Vectors of a row of lanes, for systems of up to so many states: enough that processors need not
# wait for one result before they begin the next, and few enough for registers and the nearest
# memory. Measured on Lorenz-96 of 3 to 50 states with AVX-512.
VECTORS = ((4, 4), (16, 2), (math.inf, 1))


def kernel_source(plan: Plan, target: Target) -> PrintedSource:
    """What is compiled for a plan.

    Raises:
        InvalidSystem: an equation cannot be read.
    """
    plan = compiled(plan)
    read = plan.system.read()
    if plan.system.sensitivities is not None:
        require_differentiable(plan.system, read, crosses=plan.is_adaptive)
    of_team = None if isinstance(target, CpuTarget) else _for_team(plan, read)
    if of_team is not None:
        return of_team
    large, named = _sizes(plan, read, target)
    code = Code(is_single=plan.precision == "float32")
    trajectory = Trajectory(code, plan, read, large=large, named=named)
    if plan.system.sensitivities is not None:
        require_differentiable_events(plan.system, read, trajectory.looked_at)
    if plan.is_reversed:
        require_still_jumps(plan.system, read, plan.by)
        Reversed(trajectory, plan).write()
    else:
        loop = Adaptive if plan.is_adaptive else Fixed
        loop(trajectory, Outputs(trajectory, plan)).write()
    has_vectors = isinstance(target, CpuTarget) and target.vector_bits > 0
    functions = user_functions(
        plan.system.functions, read.program, tuple(code.users), has_vectors=has_vectors
    )
    if isinstance(target, CpuTarget):
        states = trajectory.stepped if not large else math.inf
        if named is not None and states > named:
            states = math.inf
        products = 0 if trajectory.implicit is None else trajectory.implicit.products
        return _for_cpu(plan, code, target, functions, states, products)
    blocks = 0
    if trajectory.implicit is not None:
        blocks = SHORT_BLOCKS if len(plan.system.states) <= SHORT_STATES else 1
    text = print_cuda(code, _title(plan), blocks=blocks)
    return PrintedSource(plan.system.name, text, _listed(plan), {}, functions)


def _title(plan: Plan) -> str:
    return f"{_quiet(plan.system.name)}: {plan.tableau.name}, {plan.precision}"


def _for_team(plan: Plan, read: Read) -> PrintedSource | None:
    """The source for several threads of a GPU together; None where one is to do it all."""
    trajectory = _shared_out(plan, read)
    if trajectory is None:
        return None
    Adaptive(trajectory, Outputs(trajectory, plan)).write()
    team = trajectory.team()
    shared_bytes = 0 if team is None else team.places * LANES * 8
    if team is None or shared_bytes > MOST_SHARED_BYTES:
        return None
    text = print_cuda(trajectory.code, _title(plan), blocks=1, team=team)
    notes = {"team": team.size, "shared_bytes": shared_bytes}
    return PrintedSource(plan.system.name, text, _listed(plan), notes)


def _shared_out(plan: Plan, read: Read) -> Trajectory | None:
    """A trajectory that several threads of a GPU work on; None where one is to do it all."""
    states = len(plan.system.states)
    size = max((size for least, size in TEAMS if states >= least), default=1)
    if size == 1 or states > MOST_SHARED_STATES or not _is_straight(plan, read):
        return None
    if len(read.program.needed(read.derivatives)) > MOST_SHARED_INSTRUCTIONS:
        return None
    trajectory = Trajectory(Code(), plan, read, large=False)
    return trajectory if trajectory.share_out(size, MOST_SHARED_PRODUCTS) else None


def _is_straight(plan: Plan, read: Read) -> bool:
    """Whether nothing but a straight line of Rosenbrock stages is between two ends of steps."""
    system = plan.system
    if not (isinstance(plan.tableau, RosenbrockTableau) and plan.is_adaptive):
        return False
    if plan.precision != "float64" or plan.events or system.sensitivities or system.has_mass:
        return False
    if system.drivers or system.functions:
        return False
    jumps = breakpoints(read.program, read.derivatives, system.states)
    ends = {"final", "steps"} if plan.interpolates else {"final", "steps", "states"}
    return not (jumps.times or jumps.periodic) and ends.issuperset(plan.outputs)


def _sizes(plan: Plan, read: Read, target: Target) -> tuple[bool, int | None]:
    """Whether a system is large; else, where its sensitivities are, how many states it has itself.

    What chooses the steps of a small system is small then, too, so that they are the same steps.
    Sensitivities that follow explicit steps lie in arrays on a CPU, as one name after the other
    needs them; but where there are values within steps of few, these take less time from registers,
    and so does what few linear systems take.
    """

    def is_large(states: int) -> bool:
        size = len(read.program.needed(read.derivatives[:states]))
        return states > MOST_STATES or size > MOST_INSTRUCTIONS

    own, judged = len(plan.system.own_states), plan.system.judged
    if is_large(judged):
        return True, None
    is_explicit = isinstance(plan.tableau, Tableau) and isinstance(target, CpuTarget)
    follow = is_explicit and follows(plan) and not has_values_within(plan)
    return False, own if follow or is_large(len(plan.system.states)) else None


def _for_cpu(
    plan: Plan,
    code: Code,
    target: CpuTarget,
    functions: Sequence[UserFunction],
    states: float,
    products: int,
) -> PrintedSource:
    """The source, for steps of so many states, whose factors take so many products."""
    vectors = next(count for most, count in VECTORS if states <= most)
    lanes = max(target.vector_bits, 128) // 64 * vectors
    title = f"{_quiet(plan.system.name)}: {plan.tableau.name}, {plan.precision}, {lanes} lanes"
    module = print_module(
        code,
        lanes=lanes,
        vector_bits=target.vector_bits,
        title=title,
        is_x86=target.vector_bits > 0,
    )
    notes = {"lanes": lanes, "work": module.work, PRODUCTS: products}
    listed = (*_listed(plan), ("work", "int8[]"))
    return PrintedSource(plan.system.name, module.text, listed, notes, functions)


def _listed(plan: Plan) -> tuple[tuple[str, str], ...]:
    """Names and types of what the kernel is passed."""
    return tuple(
        (passed.name, passed.kind.replace("real", plan.precision) + "[]" * passed.is_array)
        for passed in arguments(plan)
    )


def _quiet(name: str) -> str:
    """A name that can stand in a comment, whatever the user has written."""
    return "".join(letter if letter.isalnum() or letter in " _-.,()+" else "?" for letter in name)
