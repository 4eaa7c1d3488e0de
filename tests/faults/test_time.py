"""Wrong clocks and wrong times of files."""


def test_clocks_that_are_days_and_years_off_change_nothing(run_program, report):
    facts = run_program("clock")
    report(**facts)


def test_files_from_1970_and_2100_are_served_and_age(run_program, report):
    facts = run_program("times")
    report(**facts)
