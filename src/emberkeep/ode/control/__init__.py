"""Step control: how the next step is chosen, as numbers that a kernel is given."""
