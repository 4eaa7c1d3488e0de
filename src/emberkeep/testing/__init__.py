"""What a store is tested with, for everybody who writes one.

* `StoreContract`: inherit it, say how a store is made, and pytest runs what every store holds.
* `ObjectStoreContract`: the same for places, where the bytes of a store lie; `Dictionary` is the
  smallest one.
* `TargetContract`: the same for targets.
* `store_machine`: the same store against a dictionary, under hypothesis's choice of steps.
* `kept`: a valid artifact; `artifacts`, `keys` and `layouts`: hypothesis strategies for them.
* `unsealed`: the seal of documents where nobody looks at seals; `accept` is its judge.

It needs the extra ``testing``: pytest and hypothesis.
"""

import pytest

pytest.register_assert_rewrite(
    "emberkeep.testing.machine",
    "emberkeep.testing.objects",
    "emberkeep.testing.stores",
    "emberkeep.testing.targets",
)

from emberkeep.testing.keys import key_of  # noqa: E402 - after its asserts are prepared
from emberkeep.testing.machine import store_machine  # noqa: E402 - after its asserts are prepared
from emberkeep.testing.objects import Dictionary, ObjectStoreContract  # noqa: E402 - the same
from emberkeep.testing.samples import accept, kept, unsealed  # noqa: E402 - the same
from emberkeep.testing.stores import StoreContract  # noqa: E402 - the same
from emberkeep.testing.strategies import artifacts, keys, layouts  # noqa: E402 - the same
from emberkeep.testing.targets import TargetContract  # noqa: E402 - the same

__all__ = [
    "Dictionary",
    "ObjectStoreContract",
    "StoreContract",
    "TargetContract",
    "accept",
    "artifacts",
    "kept",
    "key_of",
    "keys",
    "layouts",
    "store_machine",
    "unsealed",
]
