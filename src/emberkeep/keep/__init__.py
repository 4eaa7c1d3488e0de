"""The one place where hit, miss and time are decided.

`keep` has what a hit needs, `miss` the rest: look up → lease → look again → build → publish.
What a hit does not need is imported within functions: a module costs it a tenth of a millisecond.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.keep.artifact import Answer, Artifact
    from emberkeep.keep.keep import Keep

__all__ = ["Answer", "Artifact", "Keep"]


def __getattr__(name: str) -> object:
    """What a keep gives is there without a keep."""
    if name == "Keep":
        from emberkeep.keep.keep import Keep

        return Keep
    if name in __all__:
        from emberkeep.keep import artifact

        return getattr(artifact, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
