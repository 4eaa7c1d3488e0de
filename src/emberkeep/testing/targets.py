"""The contract of targets: inherit `TargetContract`, give it a target, and pytest finds its tests.

::

    class TestMyTarget(TargetContract):
        @pytest.fixture
        def target(self):
            return MyTarget()

What a kernel gives is compared with what the same function gives when Python runs it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from emberkeep.errors import InvalidArgument, InvalidKernel, Unloadable
from emberkeep.keep.artifact import Artifact
from emberkeep.keep.keep import Keep
from emberkeep.targets.arguments import parse_signature
from emberkeep.targets.kernel_lookup import fetch, obtain
from emberkeep.targets.protocol import KernelSource, Target
from emberkeep.testing.keys import key_of

if TYPE_CHECKING:
    from collections.abc import Callable

SCALE = 3.0


def slope(x: float, y: float, rate: float) -> float:
    """A callee."""
    return rate * (y - x)


def twice(value: Any) -> Any:
    """A callee of a callee, for any type."""
    return value + value


def relax(i: int, x: Any, y: Any, rate: float, steps: int, out: Any) -> None:
    """Loops, branches, calls, a global constant and mathematics."""
    value = x[i]
    for step in range(steps):
        value += 0.01 * slope(value, y[i], rate)
        if step % 2:
            value += 1e-3 * math.sin(SCALE * value)
    out[i] = value


def many_types(i: int, flag: Any, small: int, z: complex, table: Any, out: Any) -> None:
    """Small integers, complex numbers and an array of two dimensions with any strides."""
    if flag:
        out[i] = twice(z) * table[i, small]
    else:
        out[i] = z


def overwrite(i: int, out: Any) -> None:
    """Write the index itself."""
    out[i] = i


def gives_back(i: int, out: Any) -> Any:
    """Return what a kernel must not."""
    return out[i]


def unknown_name(i: int, out: Any) -> None:
    """Read a name that does not exist."""
    out[i] = no_such_name  # type: ignore[name-defined]  # noqa: F821 # pyright: ignore[reportUndefinedVariable]


RELAX = "float64[::1], float64[::1], float64, int64, float64[::1]"
MANY_TYPES = "bool, int32, complex128, float32[:, :], complex128[:]"


class TargetContract(ABC):
    """What every target must do. Subclasses give a fixture `target`; all else has defaults."""

    @pytest.fixture
    @abstractmethod
    def target(self) -> Target:
        """The target under test."""

    @pytest.fixture
    def keep(self, tmp_path: Any) -> Keep:
        """An empty keep on disk."""
        return Keep(tmp_path / "keep", memory_size=0)

    def place(self, array: Any) -> Any:
        """An array where the target's kernels take it."""
        return array

    def fetch(self, array: Any) -> Any:
        """The array's contents as NumPy's."""
        return np.asarray(array)

    def compiled(
        self,
        keep: Keep,
        target: Target,
        function: Callable[..., None],
        signature: str,
        **options: Any,
    ) -> Any:
        """The kernel, ready to run."""
        return obtain(keep, target, self.source(function, signature, **options))

    def source(self, function: Callable[..., None], signature: str, **options: Any) -> KernelSource:
        """A kernel's source."""
        plain: Any = function
        return KernelSource(plain.__name__, plain, parse_signature(signature), options)

    def test_gives_what_python_gives(self, keep: Keep, target: Target) -> None:
        """Loops, branches, calls, constants and mathematics."""
        generator = np.random.default_rng(1)
        x, y = generator.normal(size=(2, 1000))
        out = self.place(np.zeros(1000))
        kernel = self.compiled(keep, target, relax, RELAX)
        kernel(1000, (self.place(x), self.place(y), 0.7, 20, out))
        expected = np.zeros(1000)
        for i in range(0, 1000, 97):
            relax(i, x, y, 0.7, 20, expected)
        # The same operations, but mathematics and contraction may round differently.
        np.testing.assert_allclose(self.fetch(out)[::97], expected[::97], rtol=1e-13)

    @pytest.mark.parametrize("flag", [True, False])
    def test_passes_every_kind_of_argument(self, keep: Keep, target: Target, flag: object) -> None:
        """Each arrives as what it is."""
        table = np.arange(24, dtype="float32").reshape(8, 3)
        out = self.place(np.zeros(8, complex))
        kernel = self.compiled(keep, target, many_types, MANY_TYPES)
        kernel(8, (flag, 2, 1 + 2j, self.place(table), out))
        expected = np.zeros(8, complex)
        for i in range(8):
            many_types(i, flag, 2, 1 + 2j, table, expected)
        np.testing.assert_array_equal(self.fetch(out), expected)

    @pytest.mark.parametrize("count", [0, 1, 7, 129, 1000])
    def test_runs_for_exactly_the_indices_asked_for(
        self, keep: Keep, target: Target, count: int
    ) -> None:
        """None too few, none too many."""
        out = self.place(np.full(1000, -1, "int64"))
        self.compiled(keep, target, overwrite, "int64[::1]")(count, (out,))
        expected = np.where(np.arange(1000) < count, np.arange(1000), -1)
        np.testing.assert_array_equal(self.fetch(out), expected)

    def test_what_was_kept_gives_the_same_bits(self, tmp_path: Any, target: Target) -> None:
        """A second process would load the very bytes that the first one compiled."""
        x = np.random.default_rng(2).normal(size=500)
        results: list[Any] = []
        artifacts: list[Artifact] = []
        for _ in range(2):
            keep = Keep(tmp_path / "keep", memory_size=0)
            source = self.source(relax, RELAX)
            artifacts.append(fetch(keep, target, source))
            out = self.place(np.zeros(500))
            obtain(keep, target, source)(
                500, (self.place(x), self.place(x[::-1].copy()), 0.3, 9, out)
            )
            results.append(self.fetch(out))
        assert [artifact.hit for artifact in artifacts] == [False, True]
        assert artifacts[0].blobs == artifacts[1].blobs
        np.testing.assert_array_equal(results[0], results[1])

    def test_numbers_do_not_compile_again(self, keep: Keep, target: Target) -> None:
        """One compiled kernel serves all sizes and values."""
        kernel = self.compiled(keep, target, relax, RELAX)
        for size, rate, steps in ((3, 0.1, 1), (300, 2.5, 40)):
            x, out = np.ones(size), self.place(np.zeros(size))
            kernel(size, (self.place(x), self.place(2 * x), rate, steps, out))
            expected = np.zeros(size)
            relax(0, x, 2 * x, rate, steps, expected)
            np.testing.assert_allclose(self.fetch(out)[0], expected[0], rtol=1e-12)

    @pytest.mark.parametrize(
        "change",
        [
            {"signature": RELAX.replace("float64[::1]", "float32[::1]")},
            {"signature": RELAX.replace("[::1]", "[:]")},
            {"fastmath": True},
        ],
    )
    def test_each_part_of_the_source_is_in_the_key(
        self, target: Target, change: dict[str, Any]
    ) -> None:
        """Whatever can change the code makes another key."""
        changed = self.source(relax, **{"signature": RELAX, **change})
        assert key_of(self.source(relax, RELAX), target) != key_of(changed, target)

    @pytest.mark.parametrize(
        ("function", "said"), [(gives_back, "returns"), (unknown_name, "no_such_name")]
    )
    def test_refuses_what_is_no_kernel(
        self, keep: Keep, target: Target, function: Callable[..., None], said: str
    ) -> None:
        """And says why."""
        with pytest.raises(InvalidKernel, match=said):
            self.compiled(keep, target, function, "float64[::1]")

    def test_refuses_arguments_that_do_not_fit(self, keep: Keep, target: Target) -> None:
        """Before anything is run."""
        kernel = self.compiled(keep, target, relax, RELAX)
        x = self.place(np.ones(4))
        wrong: list[tuple[Any, ...]] = [
            (x, x, 1.0, 1),
            (x, x, 1.0, 1, x, x),
            (x, x, "rate", 1, x),
            (x, x, 1.0, 1.5, x),
            (x, x, x, 1, x),
            (x, 1.0, 1.0, 1, x),
            (x, x, 1.0, 1, self.place(np.ones(4, "float32"))),
            (x, x, 1.0, 1, self.place(np.ones((4, 4)))),
        ]
        for arguments in wrong:
            with pytest.raises(InvalidArgument):
                kernel(4, arguments)

    def test_refuses_code_that_is_none(self, keep: Keep, target: Target) -> None:
        """Nothing that is not what it should be reaches the loader; the process lives on."""
        artifact = fetch(keep, target, self.source(overwrite, "int64[::1]"))
        ((role, image),) = artifact.blobs.items()
        broken = [b"", b"\x7fELF", image[: len(image) // 2], bytes(len(image)), b"#!/bin/sh\n"]
        for content in broken:
            damaged = Artifact("", {role: content}, artifact.layout, hit=True, reason="")
            with pytest.raises(Unloadable):
                target.check(damaged)
            with pytest.raises(Unloadable):
                target.load(damaged)
        target.check(artifact)
