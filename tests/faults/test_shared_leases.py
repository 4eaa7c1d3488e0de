"""Holders of shared leases that die or are taken for dead: everybody else gets through."""

import pytest


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("rounds", [pytest.param(5), pytest.param(100, marks=pytest.mark.soak)])
def test_who_is_killed_or_stopped_with_a_lease_holds_up_nobody(run_program, report, rounds):
    facts = run_program("shared_leases", rounds)
    assert facts["killed"] == facts["stopped"] == rounds
    assert facts["killed_as_holder"] >= rounds // 5, "the kills came at no interesting moments"
    assert facts["stopped_as_holder"] >= rounds // 5
    report(**facts)
