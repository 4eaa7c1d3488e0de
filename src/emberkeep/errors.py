"""Everything that emberkeep raises or warns about.

::

    EmberkeepError
    ├── Unkeyable          a value that cannot be an ingredient; names the path and the way out
    ├── InvalidSetting     a setting that is unknown or has an impossible value; names its origin
    ├── InvalidBuild       what a build function returned cannot be kept
    ├── BuildFailed        the build one waited for, in another process or thread, raised
    ├── StoreProblem       a store could not do its work; never raised to a solving user
    ├── Untrusted          what came from elsewhere is vouched for by no key that this user trusts
    ├── BundleRejected     a bundle is damaged, too new or not what it says; nothing of it is used
    ├── InvalidSystem      ode: equations that cannot be read; shows the place
    ├── InvalidPlan        what was asked of an engine and cannot be done
    ├── SolveFailed        ode: trajectories failed, and the caller has asked for an error
    ├── NotWritten         ode: results are not on disk, or not all; says how many are, and where
    ├── InvalidGraph       phasetype: a graph of states that is none; names the state
    ├── TooStiff           phasetype: rates and times are too far apart for a number that is right
    ├── InvalidKernel      a kernel cannot be compiled as it is written or declared
    ├── InvalidArgument    what was passed to a kernel does not fit its signature
    ├── KernelFailed       a kernel ran and raised
    ├── TargetUnavailable  no compiler, driver or device for what was asked; says which
    ├── OutOfDeviceMemory  the device has no room; says how much was asked and is free
    └── Unloadable         machine code that does not run here or is not what it should be

    EmberkeepWarning (UserWarning)
    ├── InferenceWarning   phasetype: what samples say is not what the data say
    ├── SolveWarning       ode: trajectories failed; their values are NaN from there on
    ├── SpillWarning       ode: results are larger than memory may hold, and go to disk; says where
    ├── StoreWarning       the keep is degraded: a compile is paid, the result is right
    └── ToolchainWarning   what was really imported differs from what the key said

Trouble with the cache costs a compile and one warning; it is never raised by `Keep.get_or_build`.
Those of the engines are written in their own folders, and are found here when they are asked for.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.elimination.errors import InvalidGraph as InvalidGraph
    from emberkeep.ode.errors import InvalidSystem as InvalidSystem
    from emberkeep.ode.errors import NotWritten as NotWritten
    from emberkeep.ode.errors import SolveFailed as SolveFailed
    from emberkeep.ode.errors import SolveWarning as SolveWarning
    from emberkeep.ode.errors import SpillWarning as SpillWarning
    from emberkeep.phasetype.errors import InferenceWarning as InferenceWarning
    from emberkeep.phasetype.errors import TooStiff as TooStiff


class EmberkeepError(Exception):
    """Base of all errors of emberkeep."""


class Unkeyable(EmberkeepError, TypeError):  # noqa: N818 - reads as what it says of the value
    """A value has no exact key.

    Attributes:
        path: how the value is reached, e.g. ``ingredients['rhs'] → global 'table'``.
        problem: what it is and why that cannot be keyed.
        remedy: what to do about it.
        of_user: whether it is in the user's code or objects, not in those of a library.
    """

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        self.of_user = False
        self.path = path
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{path}: {problem}. {remedy}")

    def __reduce__(self) -> tuple[object, ...]:
        """By its parts: of the text alone, a process pool could not make it again, and would hang.

        All else that it has goes along: `of_user`, and what users add to it.
        """
        return type(self), (self.path, self.problem, self.remedy), vars(self)


class InvalidSetting(EmberkeepError, ValueError):  # noqa: N818 - reads as what it says
    """A setting is unknown or its value cannot be used."""


class InvalidBuild(EmberkeepError, TypeError):  # noqa: N818 - reads as what it says
    """A build function returned something that is no mapping from role to bytes."""


class BuildFailed(EmberkeepError):  # noqa: N818 - reads as what it says
    """The build that this caller waited for raised in the process or thread that ran it."""


class StoreProblem(EmberkeepError):  # noqa: N818 - reads as what it says
    """A store could not read, write or list; the message names the place and the cause."""


class Untrusted(EmberkeepError):  # noqa: N818 - reads as what it says
    """What came from elsewhere is not vouched for by a key that this user trusts."""


class BundleRejected(EmberkeepError, ValueError):  # noqa: N818 - reads as what it says
    """A bundle is damaged, too new, or not what it says; what comes after the fault is not used."""


class InvalidPlan(EmberkeepError, ValueError):  # noqa: N818 - reads as what it says
    """What was asked of an engine cannot be done: an unknown name, a wrong shape, no tolerance."""


class InvalidKernel(EmberkeepError, TypeError):  # noqa: N818 - reads as what it says
    """A kernel cannot be compiled as it is written or declared; the message names the place."""


class InvalidArgument(EmberkeepError, TypeError):  # noqa: N818 - reads as what it says
    """What was passed to a kernel does not fit its signature; names the argument."""


class KernelFailed(EmberkeepError, RuntimeError):  # noqa: N818 - reads as what it says
    """A kernel ran and raised; its results are incomplete."""


class TargetUnavailable(EmberkeepError, RuntimeError):  # noqa: N818 - reads as what it says
    """What a target needs is missing here: the message says what was found and what is needed."""


class OutOfDeviceMemory(EmberkeepError, MemoryError):  # noqa: N818 - reads as what it says
    """A device has no room for what was asked."""


class Unloadable(EmberkeepError):  # noqa: N818 - reads as what it says
    """Machine code that cannot run here, or is not what it should be; never given to the loader."""


class EmberkeepWarning(UserWarning):
    """Base of all warnings of emberkeep."""


class StoreWarning(EmberkeepWarning):
    """The keep is degraded; results stay right, compiles may be paid again."""


class ToolchainWarning(EmberkeepWarning):
    """What was really imported for a build differs from what the key said; nothing was kept."""


def __getattr__(name: str) -> object:
    # Not by an import: the whole house would be one circle.
    registered: Any = sys.modules["emberkeep"]
    home = registered.engine_home(name)
    if not home.endswith(".errors"):
        raise AttributeError(f"module 'emberkeep.errors' has no attribute {name!r}")
    try:
        module = __import__(f"emberkeep.{home}", fromlist=(name,))
    except ModuleNotFoundError as problem:
        raise AttributeError(f"{name} is of emberkeep.{home}, which is not installed") from problem
    value = getattr(module, name)
    globals()[name] = value
    return value
