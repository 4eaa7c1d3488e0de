"""Sparse elimination: an order that fills in little, recorded once, evaluated for many numbers."""
