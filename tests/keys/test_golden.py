"""Keys of plain values, written down: one that changes without a new version fails here.

Who changes the encoding on purpose raises the version of the kept format and runs
``python tests/keys/test_golden.py``, which prints the new table. Enums and named tuples are not
in it: their bases are Python's own classes, so its version is in their keys.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from emberkeep.keys import fingerprint, fingerprint_mapping


@dataclass(frozen=True)
class Rates:
    birth: float
    death: float = 0.1


VALUES = {
    "None": None,
    "True": True,
    "integer": -(2**70),
    "float": 0.1,
    "negative zero": -0.0,
    "nan": math.nan,
    "complex": 1 - 2j,
    "text": "Žluťoučký kůň\0",
    "bytes": b"\x00\xff",
    "tuple": (1, "a", (2.0,)),
    "list": [1, [2, []]],
    "dictionary": {"b": 1, "a": {"c": None}},
    "dictionary of numbers": {2: "b", 1.5: "a"},
    "set": {1, "a", None},
    "frozenset": frozenset({(1, 2), b"x"}),
    "range and slice": (range(1, 10, 2), slice(None, 3)),
    "scalar": np.float32(0.1),
    "array": np.arange(6, dtype="<i4").reshape(2, 3),
    "big-endian array": np.arange(3, dtype=">f8"),
    "times": np.array(["2000-01-01", "NaT"], "M8[D]"),
    "structure": np.array([(1, 2.0)], np.dtype([("a", "i1"), ("b", "<f8")], align=True)),
    "dtype": np.dtype([("a", "<f8", (2,)), ("b", "S3")]),
    "dataclass": Rates(1.5),
    "plan": {"method": "rk4", "rates": (Rates(1.0), Rates(2.0)), "grid": np.linspace(0, 1, 5)},
}
GOLDEN = {
    "None": "238c8ae7ebdb06c14a055d240abdb9cb01729ea3a36cf162ec020ccac188fccb",
    "True": "c16bbee6670e9b633791b21a8426eef9e326ea8c03721d53bc11018d3febe11e",
    "integer": "1ff5bf1ead6fc94beb1f4abd2982868aafa5de6dfc70b2a76e671bc98f109860",
    "float": "b948a742264503a763d30be7bb252ca5344c0312cf1102382507bafeb2f18704",
    "negative zero": "4590051d6ad62e02968290f5626fa82f25974f6b916f306a0483973f90413801",
    "nan": "c354bb38d85e5f9cccd798536af086473dcdf5a0f3588e898714520af7962e44",
    "complex": "895413937aefea68d9647a635f198b8b7e18f1d4cb2c583994ce07123fc89aea",
    "text": "fa13a928bfcd7860b1254360efa2799619e3fa891f3f7f2dfb3a5a84c0a23e81",
    "bytes": "fa1e0441035cafe48e485dd05e3113f3796183599fef925eda348a3c1e9e36a7",
    "tuple": "0b709b173b2ccfb68370edff6a49b5dd89adf77f86f92e5460d9fd8f6c4f1847",
    "list": "86a49b2d00e7768f8a11484a5ace31eec3f47d6078a9c2ce4a1da51fe496d78e",
    "dictionary": "ebe52e6ccd208662ad6dd8a35c8f3f77be3adc2ad975aace645e7575abb0d42a",
    "dictionary of numbers": "90f62a3ba6ef7fc4066fe02901b7227b4830cdba65901eec6889f88b4ddcebb9",
    "set": "62cc6b80ff54d19879fb0ed1108ef2ccb43229ef0646f40f8aa0507b38dfa69b",
    "frozenset": "2f33816e62742111c9076c5f5fae2da0efdc9912cd86030d8afbb8b4ba900009",
    "range and slice": "e0b66802414258367e1983d3d1a48c039b551e210a8428f3d3d143327067758e",
    "scalar": "aad53f6bcab472c468fa5fe30dcb3734f21cd5a4d2d5240f6f5c768c4daac56d",
    "array": "6aaf654aa78543fb2ce9b31d032641b02681e12d020f6e2d5bb2375e4e008191",
    "big-endian array": "11e75d31029d2cfe74c517ec4ed4c6b5baaf31ea0da13abfafd03cb144346445",
    "times": "abd32f50c6bfbdbe28aa877bcaca0ea8ee497a91c3d82b9d3800d339b5f97279",
    "structure": "568e467a0e0ad980643d3b088616d51f06c1902bdba09319f7527f873e3e6d11",
    "dtype": "4a7f0c0c37b0346ed6b76b1bf19676b17d327fab73a98f7d46aa7c8937399c22",
    "dataclass": "86b401f4dedee74167c2e2769055a1d779dde37be36f621a628ab29faaa2a0f9",
    "plan": "638958546306691ae4484481ef5efb8d8e7bd5800c786fdecf8530c7f0d991e7",
    "all, as named ingredients": "d11c4db39876535afdc70f9d416633e378801fe28ba595e667c032009da0d8d8",
}


@pytest.mark.parametrize("name", VALUES)
def test_a_key_is_what_it_was(name: str) -> None:
    assert fingerprint(VALUES[name]).digest == GOLDEN[name]


def test_the_key_of_named_ingredients_is_what_it_was() -> None:
    named = fingerprint_mapping(VALUES, label="plan")
    assert named.digest == GOLDEN["all, as named ingredients"]


if __name__ == "__main__":
    for name, value in VALUES.items():
        print(f'    "{name}": "{fingerprint(value).digest}",')  # noqa: T201 - what it is for
    digest = fingerprint_mapping(VALUES, label="plan").digest
    print(f'    "all, as named ingredients": "{digest}",')  # noqa: T201 - the same
