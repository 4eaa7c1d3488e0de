"""Sparse direct solution of linear systems: analysed once, factorised for many numbers."""
