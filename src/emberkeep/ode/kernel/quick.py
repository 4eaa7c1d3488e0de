"""Binary logarithm and power for the length of steps: polynomials, the same on every target.

Each is good to 1e-5 of its value, which is plenty there, and takes a few products.
"""

# log2(1 + x) is x times the first, and 2 to the x the second, for x from 0 to 1: coefficients of 1,
# x, x², … by least largest error; the second is exact at both ends.
LOG2 = (1.4426848, -0.72051972, 0.46992009, -0.30512043, 0.14841099, -0.035385969)
EXP2 = (1.0, 0.69308783, 0.24131438, 0.051872769, 0.013725029)
LARGEST_POWER = 60.0
