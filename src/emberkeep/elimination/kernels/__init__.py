"""What numba compiles: keyed by the bytes of these files."""
