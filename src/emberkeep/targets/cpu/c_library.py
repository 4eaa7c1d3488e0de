"""What a kernel may call of the C library, and which version of it is here."""

from __future__ import annotations

import os

# What a kernel may call: the C library's mathematics, and what compilers put in for plain copies.
_MATHEMATICS = [
    *("acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil"),
    *("copysign", "cos", "cosh", "erf", "erfc", "exp", "exp10", "exp2", "expm1", "fabs"),
    *("fdim", "floor", "fma", "fmax", "fmin", "fmod", "frexp", "hypot", "ldexp", "lgamma"),
    *("log", "log10", "log1p", "log2", "logb", "lrint", "lround", "llrint", "llround"),
    *("modf", "nearbyint", "nextafter", "pow", "remainder", "rint", "round", "roundeven"),
    *("sin", "sincos", "sinh", "sqrt", "tan", "tanh", "tgamma", "trunc"),
]
_VECTOR_MATHEMATICS = {"exp": "v", "log": "v", "sin": "v", "cos": "v", "pow": "vv"}
ALLOWED_SYMBOLS = frozenset(
    {
        *_MATHEMATICS,
        *(f"{name}f" for name in _MATHEMATICS),
        *(
            f"_ZGV{letter}N{lanes}{arguments}_{name}{suffix}"
            for name, arguments in _VECTOR_MATHEMATICS.items()
            for letter, lanes, suffix in (
                *(("b", 2, ""), ("d", 4, ""), ("e", 8, "")),
                *(("b", 4, "f"), ("d", 8, "f"), ("e", 16, "f")),
            )
        ),
        *("memcpy", "memmove", "memset", "memcmp"),
    }
)
ALLOWED_LIBRARIES = frozenset({"libc.so.6", "libm.so.6", "libmvec.so.1"})

_NEWEST = 100_000


def library_version() -> tuple[int, ...]:
    """The version of the GNU C library here; empty where there is another."""
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        return ()
    return _numbers(text.rpartition(" ")[2])


def parsed_version(name: str) -> tuple[int, ...]:
    """``GLIBC_2.29`` as numbers; what has another form is newer than anything."""
    prefix, _, number = name.partition("_")
    numbers = _numbers(number)
    return numbers if prefix == "GLIBC" and numbers else (_NEWEST,)


def _numbers(text: str) -> tuple[int, ...]:
    parts = text.split(".")
    return (
        tuple(map(int, parts)) if all(part.isascii() and part.isdigit() for part in parts) else ()
    )
