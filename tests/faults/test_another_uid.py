"""Another user who may write where a victim loads from: nothing of theirs is ever run."""

import os

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def reachable(tmp_path):
    """The folders above can be passed through by the other user."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and len(folder.parts) > 2:
            folder.chmod(folder.stat().st_mode | 0o011)


@pytest.mark.parametrize("seconds", [pytest.param(4.0), pytest.param(60.0, marks=pytest.mark.soak)])
@pytest.mark.parametrize("where", ["local", "shared"])
def test_what_is_planted_and_swapped_during_use_is_never_used(
    run_program, report, reachable, where, seconds
):
    facts = run_program("another_uid_swaps", where, seconds, 2)
    assert facts["kinds_of_attack"] >= 10
    assert facts["attacks"] >= 100
    assert facts["hits"] >= 10, "what is right is still used between the attacks"
    assert facts["refused"] >= 10, "the attacks are met"
    report(**facts)
