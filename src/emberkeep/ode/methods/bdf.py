"""Numerical differentiation formulas of orders 1 to 5, as in MATLAB's ode15s and SciPy's BDF.

Shampine & Reichelt, *The MATLAB ODE Suite*, SIAM J. Sci. Comput. 18 (1997), table 1.
"""

from emberkeep.ode.methods.multistep import MultistepTableau

BDF = MultistepTableau("bdf", (-0.1850, -1 / 9, -0.0823, -0.0415, 0.0))
