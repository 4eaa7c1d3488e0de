"""One process with its cache switched on: what it found and compiled."""

import os
import sys

from jax_work import ask, keep_at, tell

root, shared, strategy, lacking = sys.argv[1:5]
if lacking:  # a processor that is the same but for one feature
    from emberkeep.startup_records import replace
    from emberkeep.targets.cpu import features

    here = features.host()
    assert lacking in here.features
    kept = tuple(name for name in here.features if name != lacking)
    features._machine.processor = replace(here, {"features": kept})
before = sorted(os.listdir("."))
found, compiled, warned = ask(keep_at(root, shared or None, strategy or None))
assert sorted(os.listdir(".")) == before  # no folder is named after the scheme
tell(found=found, compiled=compiled, warned=warned)
