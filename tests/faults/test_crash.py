"""Publishers that are killed: no bad read, and what they left is reaped."""

import pytest


@pytest.mark.parametrize(
    "stride",
    [pytest.param(5, id="every-fifth"), pytest.param(1, id="every", marks=pytest.mark.soak)],
)
def test_a_crash_at_any_operation_is_healed_by_the_next_caller(run_program, report, stride):
    facts = run_program("crash_sweep", stride)
    assert facts["crashes"] >= 400 // stride
    report(crashes=facts["crashes"], temporary_files_reaped=facts["temporary_files_left"])


@pytest.mark.parametrize("kills", [pytest.param(80), pytest.param(1000, marks=pytest.mark.soak)])
def test_kill_9_at_random_moments_leaves_nothing_bad_to_read(run_program, report, kills):
    facts = run_program("kill_random", kills)
    assert facts["kills"] >= kills
    report(**facts)


@pytest.mark.parametrize("interrupts", [30, pytest.param(360, marks=pytest.mark.soak)])
def test_interrupts_at_random_moments_hold_up_nobody(run_program, report, interrupts):
    facts = run_program("interrupts", interrupts)
    report(**facts)
