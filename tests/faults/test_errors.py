"""Operations that fail: the right result, and what is wrong is said once."""

import pytest


@pytest.mark.parametrize(
    ("errors", "stride"),
    [
        pytest.param("EIO", 7, id="sample"),
        pytest.param("ENOSPC", 11, id="sample-of-full"),
        pytest.param(
            "EIO,ENOSPC,EACCES,EROFS,ESTALE,EMFILE,EDQUOT", 1, id="all", marks=pytest.mark.soak
        ),
    ],
)
def test_an_error_at_any_operation_costs_a_build_and_a_warning(run_program, report, errors, stride):
    facts = run_program("error_sweep", errors, stride)
    assert facts["injected"] > 40
    assert facts["warned"]
    report(**facts)


def test_a_write_that_ends_in_the_middle_keeps_nothing(run_program, report):
    facts = run_program("file_size_limit")
    report(**facts)


def test_a_file_system_without_locks_builds_uncoordinated(run_program, report):
    facts = run_program("no_locks")
    assert facts["warned"] == facts["errors"]
    report(**facts)


def test_a_file_system_that_lies_costs_builds(run_program, report):
    facts = run_program("lying")
    report(**facts)


@pytest.mark.parametrize("threads", [40, pytest.param(200, marks=pytest.mark.soak)])
def test_where_few_files_can_be_opened_threads_wait_for_one_another(run_program, report, threads):
    facts = run_program("few_descriptors", threads)
    report(**facts)
