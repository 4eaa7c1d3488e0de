"""Recorded steps, gone through backwards: the adjoint of what a method computes."""
