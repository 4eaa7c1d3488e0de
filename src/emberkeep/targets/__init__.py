"""Targets: what turns a function and argument types into machine code, and loads it."""
