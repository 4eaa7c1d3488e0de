"""Programs are of what functions are now, and what JAX traced before never gets into the keep."""

import os
import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import emberkeep
from emberkeep import xla
from emberkeep.errors import StoreWarning

# One process traces everything before the redefinition, the other one does not.
PROGRAM = """
import sys
import threading
import jax, jax.numpy as jnp
from jax import lax
from emberkeep import xla

FACTOR = 1.0
def body(carry, _): return carry * FACTOR, None
def branch(x): return x * FACTOR
def is_first(carry): return carry[0] < 1
def turn(carry): return carry[0] + 1, carry[1] * FACTOR
def item(x): return x * FACTOR
def loss(x): return x * FACTOR
@jax.jit
def nested(x): return x * FACTOR
@jax.custom_jvp
def with_tangent(x): return x * FACTOR
@with_tangent.defjvp
def _(primals, tangents): return with_tangent(*primals), tangents[0] * FACTOR
@jax.custom_vjp
def with_cotangent(x): return x * FACTOR
with_cotangent.defvjp(lambda x: (with_cotangent(x), None), lambda _, g: (g * FACTOR,))

def everything(x):
    return {
        "scan": lax.scan(body, x, None, length=1)[0],
        "cond": lax.cond(x > 0, branch, branch, x),
        "while": lax.while_loop(is_first, turn, (0, x))[1],
        "fori": lax.fori_loop(0, 1, lambda _, y: item(y), x),
        "map": lax.map(item, jnp.ones(2) * x)[0],
        "vmap": jax.vmap(item)(jnp.ones(2) * x)[0],
        "jit": nested(x),
        "jvp": with_tangent(x),
        "tangent": jax.grad(with_tangent)(x),
        "vjp": with_cotangent(x),
        "cotangent": jax.grad(with_cotangent)(x),
        "grad": jax.grad(loss)(x),
        "checkpoint": jax.checkpoint(item)(x),
        "switch": lax.switch(0, [branch, branch], x),
    }

x = jnp.float32(1.0)
if sys.argv[1] == "first":
    everything(x), jax.jit(everything)(x)
FACTOR = 3.0
program = xla.kept(everything)
for name, value in program(x).items():
    print(name, float(value))
"""


def test_what_was_traced_before_is_neither_run_nor_kept(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    environment = {**os.environ, "EMBERKEEP_DIR": str(tmp_path / "keep")}
    for which in ("first", "second"):
        ran = subprocess.run(
            [sys.executable, path, which],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        results = dict(line.split() for line in ran.stdout.splitlines())
        assert len(results) == 14
        assert {name: value for name, value in results.items() if value != "3.0"} == {}
        assert "not kept" not in ran.stderr
    assert len(list((tmp_path / "keep").rglob("everything/*.json"))) == 1, "the second one found it"


FACTOR = 1.0


def step(carry, _):
    return carry * FACTOR, None


def scanned(x):
    return lax.scan(step, x, None, length=1)[0]


@jax.jit
def jitted(x):
    return scanned(x)


def opaque(x):
    return scanned(x) + UNKNOWN.value


class Unknown:
    def __init__(self):
        self.value, self.other = 0.0, threading.Lock()


UNKNOWN = Unknown()


@pytest.mark.parametrize("function", [scanned, jitted])
def test_each_redefinition_counts_at_the_next_call(tmp_path, monkeypatch, function):
    program = xla.kept(function, keep=emberkeep.Keep(tmp_path))
    x = jnp.float32(1.0)
    assert program(x) == 1.0
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert program(x) == 3.0
    before = program._executables
    monkeypatch.setitem(globals(), "FACTOR", float("3.0"))
    assert program(x) == 3.0
    assert program._executables is before, "the same key goes on with what is loaded"
    monkeypatch.setattr(step, "__code__", (lambda carry, _: (carry * 5.0, None)).__code__)
    assert program(x) == 5.0
    program.prewarm(x)
    assert "5.0" in program.lowered_text(x)


@pytest.mark.timeout(900)  # all that it reaches is watched, with numba's registrations where it is
def test_what_cannot_be_kept_is_renewed_too(tmp_path, monkeypatch):
    program = xla.kept(opaque, keep=emberkeep.Keep(tmp_path))
    x = jnp.float32(1.0)
    with pytest.warns(StoreWarning, match="not kept"):
        assert program(x) == 1.0
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert program(x) == 3.0


def test_with_a_spec_the_function_is_not_looked_at(tmp_path, monkeypatch):
    program = xla.kept(scanned, spec="scanned, version 1", keep=emberkeep.Keep(tmp_path))
    x = jnp.float32(1.0)
    assert program(x) == 1.0
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert program(x) == 1.0
    assert program._keyed is None


def test_options_of_an_inner_jit_are_in_the_key():
    from emberkeep.keys import fingerprint

    def function(x, n):
        return x

    alike = [fingerprint(jax.jit(function, static_argnums=1)) for _ in range(2)]
    assert alike[0].digest == alike[1].digest
    others = [
        jax.jit(function),
        jax.jit(function, static_argnums=1, inline=True),
        jax.jit(lambda x, n: x + n, static_argnums=1),
        jax.custom_jvp(function),
        jax.custom_jvp(function, nondiff_argnums=(1,)),
        jax.custom_vjp(function),
    ]
    digests = {alike[0].digest, *(fingerprint(other).digest for other in others)}
    assert len(digests) == len(others) + 1
    placed = jax.jit(function, out_shardings=jax.sharding.SingleDeviceSharding(jax.devices()[0]))
    with pytest.raises(emberkeep.errors.Unkeyable, match="shardings"):
        fingerprint(placed)


TRACES = []


def counted(x):
    TRACES.append("traced")
    return FACTOR * x


def test_a_function_that_notes_its_traces_is_kept(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "TRACES", [])
    program = xla.kept(counted, keep=emberkeep.Keep(tmp_path))
    x = jnp.float32(1.0)
    for _ in range(3):
        assert program(x) == 1.0
    assert len(TRACES) == 2, "once more, to see that it makes no difference"
    assert list(tmp_path.rglob("counted/*.json"))


def test_what_is_redefined_while_it_is_traced_is_not_kept(tmp_path, monkeypatch):
    from emberkeep.xla.executables import internals

    compile_anew = internals.compile_anew

    def compile_and_redefine(lowered):
        monkeypatch.setitem(globals(), "FACTOR", 7.0)
        return compile_anew(lowered)

    monkeypatch.setattr(internals, "compile_anew", compile_and_redefine)
    program = xla.kept(scanned, keep=emberkeep.Keep(tmp_path))
    x = jnp.float32(1.0)
    with pytest.warns(emberkeep.errors.ToolchainWarning, match="redefined or changed"):
        assert program(x) == 1.0
    assert program(x) == 7.0
    assert len(list(tmp_path.rglob("scanned/*.json"))) == 1


def test_what_is_redefined_before_it_is_traced_is_not_kept(tmp_path, monkeypatch):
    from emberkeep.xla.executables.serialisation import Compilation

    build, keep = Compilation.build, emberkeep.Keep(tmp_path)

    def redefine_and_build(compilation):  # after the key was made
        monkeypatch.setitem(globals(), "FACTOR", 7.0)
        return build(compilation)

    with monkeypatch.context() as patched:
        patched.setattr(Compilation, "build", redefine_and_build)
        with pytest.warns(emberkeep.errors.ToolchainWarning, match="redefined or changed"):
            assert xla.kept(scanned, keep=keep)(jnp.float32(1.0)) == 7.0
    monkeypatch.setitem(globals(), "FACTOR", 1.0)
    assert xla.kept(scanned, keep=keep)(jnp.float32(1.0)) == 1.0
