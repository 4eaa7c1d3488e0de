"""Shared places and bundles: what is built once, for many hosts and users.

Imports within functions are of what a hit in a shared place needs not: leases, writing, collecting.
"""
