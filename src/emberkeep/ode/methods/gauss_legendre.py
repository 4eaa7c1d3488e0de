"""Collocation at Gauss's points: orders of twice as many as stages, A-stable and symplectic.

They have no estimate: what decays at once stays there from step to step, and Hairer's filter of
what is stiff would not show it.
"""

from emberkeep.ode.methods.collocation import collocation, legendre

GAUSS_LEGENDRE_4 = collocation("gauss-legendre-4", 4, legendre(2))

GAUSS_LEGENDRE_6 = collocation("gauss-legendre-6", 6, legendre(3))

GAUSS_LEGENDRE_8 = collocation("gauss-legendre-8", 8, legendre(4))
