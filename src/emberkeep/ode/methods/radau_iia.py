"""Collocation at Radau's points on the right: L-stable, and the last stage is the solution."""

from emberkeep.ode.methods.collocation import compared_at_start, radau

RADAU_IIA_3 = compared_at_start("radau-iia-3", 3, radau(2))

RADAU_IIA_5 = compared_at_start("radau-iia-5", 5, radau(3))

RADAU_IIA_9 = compared_at_start("radau-iia-9", 9, radau(5))
