"""The kernel alone, which is built for several levels."""

from shipped_model import wave

__all__ = ["wave"]
