"""Exact keys: values and callables → fingerprints that can be compared and explained."""

from emberkeep.keys.fingerprint import Fingerprint, fingerprint, fingerprint_mapping

__all__ = ["Fingerprint", "fingerprint", "fingerprint_mapping"]
