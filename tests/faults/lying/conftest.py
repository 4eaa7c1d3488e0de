"""Lying file systems for the tests of this folder."""

import os
import sys

sys.path.append(os.path.dirname(__file__))

from mounting import Lying, mount  # noqa: E402 - found by way of the line above

__all__ = ["Lying", "mount"]
