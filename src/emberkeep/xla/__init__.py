"""XLA: JAX's compilation cache on the keep, and compiled executables kept whole.

Imports inside functions are of JAX, and of modules that import it: a function is declared as kept
before anybody knows whether it is called; and of shared places, for those who have one.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.xla.ahead import value_and_gradient
    from emberkeep.xla.config import CompilationConfig
    from emberkeep.xla.executables import Kept, kept
    from emberkeep.xla.handlers import Handler
    from emberkeep.xla.jax_cache import disable, enable
    from emberkeep.xla.manager import CacheManager
    from emberkeep.xla.summary import cache_info, clear_cache, jax_cache_info, print_cache_info

__all__ = [
    "CacheManager",
    "CompilationConfig",
    "Handler",
    "Kept",
    "cache_info",
    "clear_cache",
    "disable",
    "enable",
    "jax_cache_info",
    "kept",
    "print_cache_info",
    "value_and_gradient",
]

_HOMES = {
    "CacheManager": "manager",
    "CompilationConfig": "config",
    "Handler": "handlers",
    "Kept": "executables",
    "cache_info": "summary",
    "clear_cache": "summary",
    "disable": "jax_cache",
    "enable": "jax_cache",
    "jax_cache_info": "summary",
    "kept": "executables",
    "print_cache_info": "summary",
    "value_and_gradient": "ahead",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'emberkeep.xla' has no attribute {name!r}")
    module = __import__(f"emberkeep.xla.{_HOMES[name]}", fromlist=(name,))
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
