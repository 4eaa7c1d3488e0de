"""JAX with 64 bits, as models need it."""

import jax

jax.config.update("jax_enable_x64", True)
