"""Targets: what turns a function and argument types into machine code, and loads it.

Imports inside functions are of what a start with everything kept does without: compilers, and the
modules that only a build needs; the target that is not asked for; NumPy, until an array is passed;
logging, and what is for failures.
"""
