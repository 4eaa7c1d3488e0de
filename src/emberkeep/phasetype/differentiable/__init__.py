"""Graphs as functions that JAX differentiates: what is computed is data, for one program."""
