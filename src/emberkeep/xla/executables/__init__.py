"""XLA executables kept whole: loaded again without tracing, lowering or pickle.

::

    kept.py           the callable: signature → keep → program → JAX's own dispatch
    calls.py          a call's signature, and what of it is in the plan key
    environment.py    the build key: versions, JAX's options, device, processor
    trees.py          pytrees as values for keys, and as JSON
    serialisation.py  compiled program ↔ blobs
    internals.py      everything of JAX that is not public
"""

from emberkeep.xla.executables.kept import Kept, kept

__all__ = ["Kept", "kept"]
