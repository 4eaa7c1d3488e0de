"""What is printed, as a whole: a change is seen, and wanted. UPDATE_GOLDEN=1 writes it anew."""

import os
import re
from pathlib import Path

import pytest

from emberkeep import ode
from emberkeep.ode.compilation import Compilation
from emberkeep.ode.plan import make_plan
from emberkeep.targets.cpu.target import CpuTarget
from emberkeep.targets.cuda.target import CudaTarget

GOLDEN = Path(__file__).parent / "golden"


def text_of(system, target, method="tsit5", *, saves=False):
    plan = make_plan(system, method_name=method, outputs=None, precision="float64", saves=saves)
    return Compilation(plan).source(target).text


def check(name, text):
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text, f"{name} is printed differently: UPDATE_GOLDEN=1, and look"


@pytest.mark.parametrize("saves", [False, True])
def test_cuda_of_lorenz(saves, lorenz):
    name = f"lorenz_tsit5_{'states' if saves else 'final'}.cu"
    check(name, text_of(lorenz, CudaTarget("sm_90"), saves=saves))


def test_llvm_of_a_decay(decay):
    check("decay_euler.ll", text_of(decay, CpuTarget("x86-64-v3", 1), "euler"))


def test_titles_are_no_code(decay):
    name = 'a\n#error "b" */ ; } define'
    system = ode.System("dx = -k*x", {"x": 1.0}, {"k": 1.0}, name=name)
    for target in (CudaTarget("sm_90"), CpuTarget("x86-64-v3", 1)):
        first, _, rest = text_of(system, target).partition("\n")
        plain_first, _, plain = text_of(decay, target).partition("\n")
        assert rest == plain
        assert first != plain_first
        assert not re.search(r'[#"*/;}]', first.lstrip("/; "))


def test_the_same_code_is_printed_the_same(lorenz):
    for target in (CudaTarget("sm_90"), CpuTarget("x86-64-v3", 1)):
        assert text_of(lorenz, target) == text_of(lorenz, target)
