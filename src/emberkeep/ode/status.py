"""How a trajectory can end; the same numbers stand in the generated code."""

SUCCESS, STEP_TOO_SMALL, NOT_FINITE, TOO_MANY_STEPS, STIFF = 0, 1, 2, 3, 4
RUNNING = -1  # it has not ended

MEANINGS = {
    SUCCESS: "succeeded",
    STEP_TOO_SMALL: "needed a step too small to change the time, or below dt_min: a singularity, "
    "or too fast a change",
    NOT_FINITE: "reached infinity or not-a-number",
    TOO_MANY_STEPS: "took more than max_steps",
    STIFF: "turned out stiff: what decays fast keeps steps of explicit methods short long after it "
    "is gone, and max_steps or dt_min forbids them",
}
# What there is to do about each.
REMEDIES = {
    STEP_TOO_SMALL: "End the span before a singularity, or loosen rtol and atol.",
    NOT_FINITE: "Look at the equations there: a division by zero, a root or logarithm of what "
    "became negative, or growth without bound; with fixed steps, try a smaller dt.",
    TOO_MANY_STEPS: "Raise max_steps, or loosen rtol and atol.",
    STIFF: "Methods here are explicit: solve stiff systems by an implicit one, such as 'Radau' or "
    "'BDF' of scipy.integrate.solve_ivp; or end the span earlier, or raise max_steps many times.",
}
