"""Places that are full, read-only, somebody else's, or gone."""

import os

import pytest


def test_full_disks_of_every_size_give_right_results(run_program, report, own_mounts):
    facts = run_program("full_disk", before=own_mounts)
    report(**facts)


def test_a_file_system_mounted_read_only_serves_what_it_has(run_program, report, own_mounts):
    facts = run_program("read_only", "mount", before=own_mounts)
    report(**facts)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_elses_keep_is_left_as_it_is(run_program, report, tmp_path):
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and len(folder.parts) > 2:
            folder.chmod(folder.stat().st_mode | 0o011)
    facts = run_program("read_only", "somebody")
    report(**facts)


@pytest.mark.parametrize("seconds", [pytest.param(1.5), pytest.param(30.0, marks=pytest.mark.soak)])
def test_a_root_that_is_deleted_all_the_time(run_program, report, seconds):
    facts = run_program("deleted_root", seconds)
    report(**facts)
