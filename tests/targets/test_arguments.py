import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberkeep.errors import InvalidArgument, InvalidKernel
from emberkeep.targets.arguments import (
    SCALARS,
    Array,
    Scalar,
    accepts,
    describe,
    is_c_order,
    parse_signature,
    type_of,
)

TYPES = st.one_of(
    st.builds(Scalar, st.sampled_from(sorted(SCALARS))),
    st.builds(
        Array, st.sampled_from(sorted(SCALARS)), st.integers(1, 16), st.sampled_from(["A", "C"])
    ),
)


@given(st.lists(TYPES, max_size=6).map(tuple))
def test_signatures_read_back_as_they_were_written(types):
    assert parse_signature(describe(types)) == types


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("f8", (Scalar("float64"),)),
        ("void(float64[:], int64)", (Array("float64", 1, "A"), Scalar("int64"))),
        (" float32[ : , ::1 ] ,boolean, ", (Array("float32", 2, "C"), Scalar("bool"))),
    ],
)
def test_numbas_way_of_writing_is_read(text, expected):
    assert parse_signature(text) == expected


@pytest.mark.parametrize(
    "text",
    ["float65", "float64[", "float64[:", "float64[::1, :]", "float64[:,,:]", "float64[3]", "a,,b"]
    + ["float64[:]]", "float64 int64", "float64[" + ", ".join(":" * 17) + "]"],
)
def test_what_is_no_type_is_quoted(text):
    with pytest.raises(InvalidKernel) as caught:
        parse_signature(text)
    assert text.split(",")[0].split("[")[0].strip() in str(caught.value)


@pytest.mark.parametrize("dtype", sorted(SCALARS))
def test_values_have_the_type_of_their_numbers(dtype):
    assert type_of(np.zeros((2, 3), dtype)) == Array(dtype, 2, "C")
    assert type_of(np.zeros((4, 6), dtype)[::2, ::2]) == Array(dtype, 2, "A")
    assert type_of(np.zeros((2, 3), dtype, order="F")) == Array(dtype, 2, "A")
    assert type_of(np.dtype(dtype).type(1)) == Scalar(dtype)


def test_pythons_numbers_have_their_own_types():
    given_types = tuple(map(type_of, (True, 1, 1.0, 1j)))
    assert describe(given_types) == "bool, int64, float64, complex128"


@pytest.mark.parametrize(
    "value",
    [
        "text",
        None,
        [1.0],
        np.zeros(3, ">f8"),
        np.zeros(3, "float16"),
        np.array(1.0),
        np.zeros(2, "O"),
    ],
)
def test_what_no_kernel_takes_is_refused(value):
    with pytest.raises(InvalidArgument):
        type_of(value)


class OnDevice:
    def __init__(self, array, with_strides=True):
        self.shape = array.shape
        interface = array.__array_interface__
        strides = array.strides if with_strides else None
        self.__cuda_array_interface__ = {**interface, "strides": strides, "version": 3}


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple),
    st.permutations([0, 1, 2]),
    st.integers(1, 2),
)
def test_order_on_a_device_is_what_numpy_says_of_the_same_strides(shape, axes, step):
    array = np.zeros(shape)[::step]
    array = array.transpose([axis for axis in axes if axis < array.ndim])
    if array.size == 0:  # NumPy calls any empty array contiguous
        return
    assert is_c_order(OnDevice(array)) == array.flags.c_contiguous


def test_arrays_without_strides_are_in_c_order():
    assert type_of(OnDevice(np.zeros((2, 2)), with_strides=False)) == Array("float64", 2, "C")


def test_order_decides_what_an_argument_fits():
    c, a = Array("float64", 2, "C"), Array("float64", 2, "A")
    assert accepts((a,), (c,))
    assert accepts((a,), (a,))
    assert not accepts((c,), (a,))
    assert not accepts((a,), (Array("float32", 2, "C"),))
    assert not accepts((a,), (Array("float64", 1, "C"),))
    assert not accepts((a,), (a, a))


def test_numbers_fit_where_nothing_is_lost():
    integer, real = Scalar("int64"), Scalar("float64")
    assert accepts((real,), (integer,))
    assert accepts((Scalar("int32"),), (integer,))
    assert not accepts((integer,), (real,))
    assert not accepts((real,), (Scalar("complex128"),))
    assert not accepts((integer,), (Scalar("bool"),))
    assert not accepts((real,), (Array("float64", 1, "C"),))
