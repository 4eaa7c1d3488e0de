"""Ways to run code of `ode.kernel` by itself: as LLVM vectors, as C++, and by going through it.

Tests take them by `runpy.run_path`.
"""

import ctypes
import itertools
import shutil
import subprocess
from collections import Counter

import numpy as np

from emberkeep.ode.kernel.code import BOOL, BYTE, INT, REAL, SINGLE, TIME, Code
from emberkeep.ode.kernel.cuda import ENTRY, print_cuda
from emberkeep.ode.kernel.module import print_module
from emberkeep.targets.protocol import PrintedSource

DTYPES = {TIME: np.float64, SINGLE: np.float32, INT: np.int64, BYTE: np.int8}


def fresh(*, single=False):
    """Code with the arguments that every entry unpacks."""
    code = Code(is_single=single)
    for name in ("runs", "share"):
        code.argument(name, INT, is_array=False)
    return code


def trajectories(code):
    """A trajectory for each lane: its number, and whether there is one."""
    run, here = code.variable("run", INT), code.variable("here", BOOL)
    following = code.variable("following", INT, code.begin, uniform=True)
    with code.for_each(code.value(True, BOOL)):
        here.set(following.get() < code.end)
        run.set(code.smaller(following.get(), code.end - 1))
        following.set(following.get() + 1)
    return run, here


def source(code, lanes, bits, *, title="a test"):
    """Code as a CPU's compiler is given it, and the memory that it works in."""
    module = print_module(code, lanes=lanes, vector_bits=bits, title=title, is_x86=bits > 0)
    return PrintedSource("test", module.text, (), {}), module.work


class Compiled:
    """Code in lanes, loaded into this process."""

    def __init__(self, code, lanes, bits, processor="host"):
        from emberkeep.targets.cpu.assembly import assemble, processor_of
        from emberkeep.targets.cpu.link import link
        from emberkeep.targets.cpu.load import load_shared_object

        self.lanes, self._arguments = lanes, code.arguments
        printed, self._work = source(code, lanes, bits)
        self.text = printed.text
        binary = link(assemble(printed, *processor_of(processor)))
        entry = load_shared_object(binary).address("emberkeep_kernel")
        kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        self._entry = kind(entry)

    def __call__(self, given, runs, share=None):
        """Run it for so many trajectories; arrays are changed in place."""
        share = share or self.lanes
        given = {**given, "runs": runs, "share": share}
        blocks = -(-runs // share)
        room = np.full(blocks * self._work + 64, 0x7B, np.int8)
        work = room[-room.ctypes.data % 64 :]
        packed = [
            given[argument.name].ctypes.data if argument.is_array else int(given[argument.name])
            for argument in self._arguments
        ]
        block = np.array([*packed, work.ctypes.data], np.int64)
        self._entry(block.ctypes.data, 0, blocks)


# As C++ -----------------------------------------------------------------------------------------

HAS_COMPILER = shutil.which("g++") is not None
FUNCTIONS = """exp expm1 log log1p log2 log10 sqrt cbrt sin cos tan asin acos atan sinh cosh tanh
asinh acosh atanh fabs floor ceil trunc rint erf erfc fma tgamma lgamma atan2 hypot pow fmod
copysign""".split()  # noqa: SIM905 - a table
PRELUDE = f"""#include <cmath>
#include <cstring>
{"".join(f"using std::{name};" for name in FUNCTIONS)}
#define __device__
#define __global__
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
struct Place {{ long long x; }};
static Place blockIdx, blockDim, threadIdx;
static inline float __fadd_rn(float x, float y) {{ return x + y; }}
static inline double __dadd_rn(double x, double y) {{ return x + y; }}
static inline float __int_as_float(int i) {{ float x; memcpy(&x, &i, 4); return x; }}
static inline double __longlong_as_double(long long i) {{ double x; memcpy(&x, &i, 8); return x; }}
"""
TRAILER = """
extern "C" void place_at(long long index) { blockIdx.x = index; blockDim.x = 1; threadIdx.x = 0; }
"""
# Threads of a block that work together: each is a thread of this process, of its first lanes alone.
TEAM = """
#include <atomic>
#include <barrier>
#include <memory>
#include <vector>
static std::unique_ptr<std::barrier<>> block_meets;
static std::vector<std::unique_ptr<std::barrier<>>> warp_meets;
static std::atomic<int> votes[64];
static int lanes_there;
static int counted(std::barrier<> &meets, int place, bool vote) {
  meets.arrive_and_wait();
  votes[place] = 0;
  meets.arrive_and_wait();
  votes[place] += vote;
  meets.arrive_and_wait();
  return votes[place];
}
#define __syncwarp()
#define __syncthreads() block_meets->arrive_and_wait()
#define __syncthreads_or(vote) (counted(*block_meets, 63, vote) > 0)
#define OF_WARP(vote) counted(*warp_meets[threadIdx.x / 32], threadIdx.x / 32, vote)
#define __any_sync(mask, vote) (OF_WARP(vote) > 0)
#define __all_sync(mask, vote) (OF_WARP(vote) == lanes_there)
"""
TEAM_TRAILER = """
extern "C" void gather_team(int warps, int lanes) {
  lanes_there = lanes;
  block_meets = std::make_unique<std::barrier<>>(warps * lanes);
  warp_meets.clear();
  for (int warp = 0; warp < warps; ++warp)
    warp_meets.push_back(std::make_unique<std::barrier<>>(lanes));
}
extern "C" void place_at(long long thread) { threadIdx.x = thread; }
"""
SHARED = "extern __shared__ real told[][32];"


def as_cpp(text):
    """CUDA C++ as a host's compiler reads it."""
    text = text.replace('asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));', "y = exp2f(x);")
    text = text.replace('asm("" : "+f"(x));', "").replace('asm("" : "+d"(x));', "")
    text = text.replace("__log2f(", "log2(").replace("__fdividef(x, y)", "x / y")
    lines = [line for line in text.splitlines() if "#pragma unroll" not in line]
    if SHARED in text:
        prelude = PRELUDE.replace("static Place b", "static thread_local Place b") + TEAM
        lines = [line.replace(SHARED, "static real told[1000][32];") for line in lines]
        return prelude + "\n".join(lines) + TEAM_TRAILER
    return PRELUDE + "\n".join(lines) + TRAILER


class Hosted:
    """What a GPU is given, compiled for this processor: a trajectory at a time."""

    def __init__(self, code, folder):
        self._arguments = code.arguments
        self.text = print_cuda(code, "a test")
        (folder / "kernel.cpp").write_text(as_cpp(self.text))
        command = ["g++", "-O1", "-ffp-contract=off", "-w", "-shared", "-fPIC", "kernel.cpp"]
        subprocess.run([*command, "-o", "kernel.so"], cwd=folder, check=True)
        self._library = ctypes.CDLL(str(folder / "kernel.so"))

    def __call__(self, given, runs, share=None):
        """Run it for so many trajectories; arrays are changed in place."""
        given = {**given, "runs": runs, "share": share or 1}
        passed = [
            ctypes.c_void_p(given[argument.name].ctypes.data)
            if argument.is_array
            else ctypes.c_int64(int(given[argument.name]))
            for argument in self._arguments
        ]
        for index in range(runs):
            self._library.place_at(ctypes.c_int64(index))
            self._library[ENTRY](ctypes.c_int64(runs), *passed)


# Going through it -------------------------------------------------------------------------------


class _Left(Exception):
    pass


class _Stopped(Exception):
    pass


WHOLE = {
    "+": lambda a, b: _wrapped(a + b),
    "-": lambda a, b: _wrapped(a - b),
    "*": lambda a, b: _wrapped(a * b),
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "&": lambda a, b: a & b,
}
FLOATING = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}
COMPARED = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
}
CALLED = {
    "fmuladd": lambda x, y, z: x * y + z,
    "fabs": abs,
    "abs": abs,
    "floor": np.floor,
    "sqrt": np.sqrt,
}


def _wrapped(number):
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


class Machine:
    """Goes through code: lanes side by side, each a plain number.

    A value is a list with a number for each lane; in a lane, and where all have the same, with
    that alone in each.
    """

    def __init__(self, code, lanes):
        self._code, self.lanes = code, lanes
        self._real = np.float32 if code.is_single else np.float64
        self._lane = None
        self.done = Counter()  # instructions, by operation

    def __call__(self, given, runs, share=None):
        share = share or self.lanes
        self._given = {**given, "runs": runs, "share": share}
        for begin in range(0, runs, share):
            self._values, self._aliases = {}, {}
            self._variables = {
                one.number: [self._cast(one.kind, 0)] * self.lanes
                for owner in (self._code, *self._code.functions)
                for one in owner.variables
            }
            self._arrays = {
                one.number: [[None] * one.size for _ in range(self.lanes)]
                for one in self._code.arrays
            }
            self._values[self._code.begin.number] = [begin] * self.lanes
            self._values[self._code.end.number] = [min(begin + share, runs)] * self.lanes
            try:
                self._go(self._code.body)
            except _Stopped:
                continue

    def _cast(self, kind, number):
        if number is None:
            return None
        if kind == INT:
            return int(number)
        if kind == BOOL:
            return bool(number)
        with np.errstate(all="ignore"):
            return {REAL: self._real, TIME: np.float64, SINGLE: np.float32}[kind](number)

    @property
    def _here(self):
        return range(self.lanes) if self._lane is None else (self._lane,)

    def _get(self, value):
        if value.literal is not None:
            return [self._cast(value.kind, value.literal)] * self.lanes
        return self._values[value.number]

    def _one(self, value):
        """What all lanes agree about; in a lane, what is so in it."""
        found = self._get(value)
        if self._lane is not None:
            return found[self._lane]
        assert len(set(found)) == 1, "not the same in all lanes"
        return found[0]

    def _go(self, block):
        for operation, *rest in block.instructions:
            self.done[operation] += 1
            method = getattr(self, f"do_{operation}", None)
            if method is None:
                self._calculate(operation, *rest)
            else:
                method(*rest)

    def _put(self, result, compute):
        numbers = list(self._values.get(result.number, [None] * self.lanes))
        for lane in self._here:
            numbers[lane] = self._cast(result.kind, compute(lane))
        if result.uniform and self._lane is not None:
            numbers = [numbers[self._lane]] * self.lanes
        self._values[result.number] = numbers

    def _calculate(self, operation, result, *given):
        parts = [self._get(value) for value in given]

        def compute(lane):
            numbers = [part[lane] for part in parts]
            if None in numbers:
                return None
            if operation == "not":
                return not numbers[0]
            if operation == "-x":
                return -numbers[0]
            if operation in COMPARED:
                return COMPARED[operation](*numbers)
            with np.errstate(all="ignore"):
                return (WHOLE if given[0].kind == INT else FLOATING)[operation](*numbers)

        self._put(result, compute)

    def do_where(self, result, condition, then, otherwise):
        parts = [self._get(value) for value in (condition, then, otherwise)]
        self._put(result, lambda lane: parts[1][lane] if parts[0][lane] else parts[2][lane])

    def do_convert(self, result, value):
        part = self._get(value)
        self._put(result, lambda lane: part[lane])

    def do_call(self, result, function, *given):
        parts = [self._get(value) for value in given]
        self._put(result, lambda lane: CALLED[function](*(part[lane] for part in parts)))

    def do_any(self, result, condition):
        part = self._get(condition)
        holds = any(part[lane] for lane in self._here)
        self._put(result, lambda _lane: holds)

    def do_get(self, result, variable):
        numbers = self._variables[variable.number]
        self._put(result, lambda lane: numbers[lane])

    def do_set(self, variable, value):
        part, numbers = self._get(value), self._variables[variable.number]
        if variable.uniform:
            numbers[:] = [self._one(value)] * self.lanes
        for lane in self._here:
            numbers[lane] = part[lane]

    def _array(self, array):
        array, offset = self._aliases.get(array.number, (array, 0))
        return self._arrays[array.number], offset

    def do_read(self, result, array, index):
        (numbers, offset), place = self._array(array), self._one(index)
        self._put(result, lambda lane: numbers[lane][offset + place])

    def do_write(self, array, index, value):
        (numbers, offset), place, part = self._array(array), self._one(index), self._get(value)
        for lane in self._here:
            numbers[lane][offset + place] = part[lane]

    def do_load(self, result, argument, *index):
        given = self._given[argument.name]
        if not index:
            self._put(result, lambda _lane: given)
            return
        place = self._one(index[0])
        self._put(result, lambda _lane: given[place])

    def do_gather(self, result, argument, index):
        given, places = self._given[argument.name], self._get(index)
        self._put(result, lambda lane: given[places[lane]])

    def do_whole(self, result, value):
        part = self._get(value)
        self._put(result, lambda lane: part[lane])

    def do_store(self, argument, index, value):
        self._given[argument.name][self._one(index)] = self._one(value)

    def do_when(self, condition, block):
        if self._one(condition):
            self._go(block)

    def do_aside(self, _name, _is_quick, block, _own):
        self._go(block)

    def do_loop(self, block):
        try:
            for turn in itertools.count():
                assert turn < 10_000, "a loop without an end"
                self._go(block)
        except _Left:
            return

    def do_leave(self, condition):
        if self._one(condition):
            raise _Left

    def do_stop(self, condition):
        if self._one(condition):
            raise _Stopped

    def do_count_up(self, index, limit, block):
        try:
            for number in range(self._one(limit)):
                self._values[index.number] = [number] * self.lanes
                self._go(block)
        except _Left:
            return

    def do_for_each(self, condition, block):
        chosen = self._get(condition)
        for lane in range(self.lanes):
            if chosen[lane]:
                self._lane = lane
                self._go(block)
        self._lane = None

    def do_invoke(self, function, given):
        before = self._aliases
        found = {}
        for parameter, (array, place) in zip(function.parameters, given, strict=True):
            whole, offset = before.get(array.number, (array, 0))
            found[parameter.number] = (whole, offset + self._one(place))
        self._aliases = found
        self._go(function.body)
        self._aliases = before
