"""Events in a kernel: what is looked for in each step, where it is, and what it does."""
