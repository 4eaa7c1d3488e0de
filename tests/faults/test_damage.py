"""Bits that flip and files that end early: never served, always quarantined and built again."""

import pytest


@pytest.mark.parametrize("flips", [pytest.param(240), pytest.param(10_000, marks=pytest.mark.soak)])
def test_damage_is_never_served(run_program, report, flips):
    facts = run_program("damage", flips)
    assert facts["flips"] == flips
    assert facts["quarantined"] == flips + facts["truncations_and_additions"]
    assert facts["found"]["untrusted"] >= flips // 4, "flipped seals are refused as untrusted"
    report(**facts)
