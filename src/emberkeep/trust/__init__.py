"""Which artifacts may be run."""
