"""Exact keys: values and callables → fingerprints that can be compared and explained."""

from emberkeep.keys.fingerprint import Difference, Fingerprint, explain
from emberkeep.keys.ingredients import fingerprint, fingerprint_mapping

__all__ = [
    "Difference",
    "Fingerprint",
    "explain",
    "fingerprint",
    "fingerprint_mapping",
]
