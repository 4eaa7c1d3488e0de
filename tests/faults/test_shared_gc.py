"""Making room in a shared folder while others read it and publish there."""

import pytest


@pytest.mark.parametrize(
    "stride",
    [pytest.param(7, id="every-seventh"), pytest.param(1, id="every", marks=pytest.mark.soak)],
)
def test_what_is_being_published_stays_whatever_the_clock_of_who_collects(
    run_program, report, stride
):
    facts = run_program("collect_while_publishing", stride)
    report(**facts)
    assert not any(count for name, count in facts.items() if name.startswith("lost"))


@pytest.mark.parametrize("seconds", [pytest.param(6), pytest.param(120, marks=pytest.mark.soak)])
def test_collecting_at_full_speed_disturbs_neither_readers_nor_publishers(
    run_program, report, seconds
):
    facts = run_program("collect_at_full_speed", seconds)
    report(**facts)
    too_late = facts.pop("came_too_late")
    assert all(facts.values()), "everybody has done something"
    assert too_late <= facts["reads"] / 1000


def test_what_is_published_at_any_moment_of_a_collection_stays(run_program, report):
    facts = run_program("publish_while_collecting")
    report(**facts)
    assert not facts["lost"]
