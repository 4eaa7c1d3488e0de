import warnings

from emberkeep.errors import EmberkeepWarning


def warn_dropped(output: str, problem: OSError) -> None:
    """Say once that an output is given up; timed work never hears of it otherwise."""
    warnings.warn(
        f"{output} could not be written ({problem}) and is dropped; the work goes on and its "
        "times are kept in memory. Free space or choose another place for the output.",
        EmberkeepWarning,
        stacklevel=2,
    )
