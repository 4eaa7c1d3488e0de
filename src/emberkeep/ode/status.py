"""How a trajectory can end; the same numbers stand in the generated code."""

SUCCESS, STEP_TOO_SMALL, NOT_FINITE, TOO_MANY_STEPS = 0, 1, 2, 3
RUNNING = -1  # it has not ended

MEANINGS = {
    SUCCESS: "succeeded",
    STEP_TOO_SMALL: "needed a step too small to change the time: a singularity, or a stiff system",
    NOT_FINITE: "reached infinity or not-a-number",
    TOO_MANY_STEPS: "took more than max_steps",
}
