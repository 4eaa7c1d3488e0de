"""What newcomers write in kernels, and what they read then: a line of theirs, not a dump."""

import os

import numpy as np
import pytest
from numba.core.errors import NumbaError, UnsupportedBytecodeError

import emberkeep
from emberkeep.errors import InvalidArgument, InvalidKernel

SIGNATURE = "float64[::1], float64[::1]"
HERE = os.path.abspath(__file__)


def undefined(i, x, out):
    out[i] = x[i]
    out[i] += nowhere  # noqa: F821 - the mistake


def within(v):
    return v.imaginary + 1


def in_a_callee(i, x, out):
    out[i] = within(x[i])


def importing(i, x, out):
    import math

    out[i] = math.sin(x[i])


def of_text(i, x, out):
    out[i] = "a" + x[i]


def of_two_indices(i, x, out):
    out[i] = x[i, i]


def of_two_types(i, x, out):
    given = 1.0
    if x[i] > 0:
        given = (1, 2)
    out[i] = given


class Thing:
    """No part of a kernel."""


def of_an_object(i, x, out):
    out[i] = Thing(x[i])


@pytest.mark.parametrize(
    ("function", "told", "line", "remedy"),
    [
        (undefined, "name 'nowhere' is not defined", "out[i] += nowhere", "Define or import it"),
        (in_a_callee, "Unknown attribute 'imaginary'", "return v.imaginary + 1", "Kernels compute"),
        (importing, "it imports a module while it runs", "import math", "at the top of the file"),
        (of_text, "there is no add of (str, float64)", 'out[i] = "a" + x[i]', "pass numbers"),
        (of_two_indices, "cannot index array", "out[i] = x[i, i]", "the number of indices"),
        (of_two_types, "Cannot unify", "out[i] = given", "values of one type"),
        (of_an_object, "Untyped global name 'Thing'", "out[i] = Thing(x[i])", "Kernels compute"),
    ],
)
def test_what_cannot_be_compiled_is_shown_where_it_is_written(function, told, line, remedy):
    kernel = emberkeep.kernel(SIGNATURE)(function)
    with pytest.raises(InvalidKernel) as caught:
        kernel(np.ones(2), np.zeros(2), count=2)
    first, place, last = str(caught.value).splitlines()
    assert first.startswith(f"numba cannot compile the kernel {function.__name__!r}: ")
    assert told in first
    assert place.startswith(f"    {HERE}, line ")
    assert line in place
    assert remedy in last
    assert isinstance(caught.value.__cause__, (NumbaError, UnsupportedBytecodeError))
    assert "pipeline" not in str(caught.value)


def double(i, x, out):
    out[i] = 2 * x[i]


class Tensor:
    """Stands in for PyTorch's."""

    __module__ = "torch"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([1.0, 2.0], r"it is a list. Pass numpy\.array\(values, 'float64'\)"),
        (np.ones(2, "float32"), r"dtype float32.*Pass array\.astype\('float64'\)"),
        (np.ones((2, 2)), r"2 dimensions\. Pass array\.reshape"),
        (Tensor(), r"it is a torch\.Tensor\. Pass array\.numpy\(\)"),
        (None, "it is a NoneType"),
        (np.ma.array([1.0, 2.0], mask=[0, 1]), r"its mask would not be seen.*array\.filled"),
    ],
)
def test_what_is_no_array_is_told_how_to_become_one(given, told):
    kernel = emberkeep.kernel(SIGNATURE)(double)
    with pytest.raises(InvalidArgument, match=told):
        kernel(given, np.zeros(2), count=2)


def test_arrays_of_jax_and_what_it_traces():
    jax = pytest.importorskip("jax")
    kernel = emberkeep.kernel(SIGNATURE)(double)
    if jax.default_backend() == "cpu":
        with pytest.raises(InvalidArgument, match=r"it is a jaxlib.*Pass numpy\.asarray\(array\)"):
            kernel(jax.numpy.ones(2), np.zeros(2), count=2)
    with pytest.raises(InvalidArgument, match="no value while JAX traces"):
        jax.jit(lambda x: kernel(x, np.zeros(2), count=2))(np.ones(2))
