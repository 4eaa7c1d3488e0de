"""Orders 2 and 3 in two to four stages, most of them where parabolic equations take others down.

`ros2`: Verwer, Spee, Blom & Hundsdorfer, SIAM Journal on Scientific Computing 20 (1999). `ros3`:
Sandu et al., Atmospheric Environment 31 (1997). `ros3p`: Lang & Verwer, BIT 41 (2001). `scholz4-7`:
Scholz, BIT 29 (1989); it, and all others: Rang, The Prothero and Robinson example (Braunschweig,
2014). What `ros3p` and `ros3pr` are compared with there is the same on all linear equations: here
they have no estimate.
"""

from emberkeep.ode.methods.rosenbrock_forms import transformed

ROS2 = transformed(
    name="ros2",
    order=2,
    gamma=1.707106781186547524400844362104849039285,
    alphas=((1.0,),),
    gammas=((-3.414213562373095048801688724209698078570,),),
    weights=(0.5, 0.5),
    embedded=(1.0, 0.0),
    error_order=1,
)

ROS2PR = transformed(
    name="ros2pr",
    order=2,
    gamma=0.228155493653962,
    alphas=((1.0,), (0.0, 1.0)),
    gammas=((-0.228155493653962,), (0.647798871261042, -0.875954364915004)),
    weights=(0.647798871261042, 0.124045635084996, 0.228155493653962),
    embedded=(0.771844506346038, 0.228155493653962, 0.0),
    error_order=1,
)

ROS2S = transformed(
    name="ros2s",
    order=2,
    gamma=0.292893218813452,
    alphas=((0.585786437626905,), (0.0, 1.0)),
    gammas=((-0.585786437626905,), (0.353553390593274, -0.646446609406726)),
    weights=(0.353553390593274, 0.353553390593274, 0.292893218813452),
    embedded=(1 / 3, 1 / 3, 1 / 3),
    error_order=1,
)

ROS3 = transformed(
    name="ros3",
    order=3,
    gamma=0.435866521508459,
    alphas=((0.435866521508459,), (0.435866521508459, 0.0)),
    gammas=((-0.19294655696029095,), (0.0, 1.7492714812579468)),
    weights=(-0.7545741238540432, 1.9410040706196443, -0.18642994676560104),
    embedded=(-1.5335874578414959, 2.817451311486258, -0.28386385364476185),
    error_order=2,
)

ROS3P = transformed(
    name="ros3p",
    order=3,
    gamma=0.7886751345948128822545743902509787278238,
    alphas=((1.0,), (1.0, 0.0)),
    gammas=(
        (-1.0,),
        (-0.7886751345948128822545743902509787278238, -1.077350269189625764509148780501957455648),
    ),
    weights=(2 / 3, 0.0, 1 / 3),
)

ROS3PR = transformed(
    name="ros3pr",
    order=3,
    gamma=0.788675134594813,
    alphas=((2.36602540378444,), (0.0, 1.0)),
    gammas=((-2.36602540378444,), (-0.284686425165674, -1.08133897861876)),
    weights=(0.292663844023951, -0.0813389786187641, 0.788675134594813),
)

ROS3PRL = transformed(
    name="ros3prl",
    order=3,
    gamma=0.435866521508459,
    alphas=((0.5,), (0.5, 0.5), (0.5, 0.5, 0.0)),
    gammas=(
        (-0.5,),
        (-0.791564804204642, 0.352442167927514),
        (-0.497889699145187, 0.386075154415805, -0.324051976779077),
    ),
    weights=(0.00211030085481324, 0.886075154415805, -0.324051976779077, 0.435866521508459),
    embedded=(0.5, 0.387524229532982, -0.209492263150452, 0.32196803361747),
    error_order=2,
)

ROS3PRL2 = transformed(
    name="ros3prl2",
    order=3,
    gamma=0.435866521508459,
    alphas=((1.30759956452538,), (0.5, 0.5), (0.5, 0.5, 0.0)),
    gammas=(
        (-1.30759956452538,),
        (-0.709885758609722, -0.559967359602778),
        (-0.155508568075521, -0.953885165751122, 0.673527212318184),
    ),
    weights=(0.344491431924479, -0.453885165751122, 0.673527212318184, 0.435866521508459),
    embedded=(0.5, -0.257388120865221, 0.43542008724775, 0.32196803361747),
    error_order=2,
)

SCHOLZ4_7 = transformed(
    name="scholz4-7",
    order=3,
    gamma=0.788675134594813,
    alphas=((2.36602540378444,), (0.25, 1.0)),
    gammas=((-2.36602540378444,), (-0.613414364537605, -1.10383267558217)),
    weights=(0.495076910424059, -0.112898126628685, 0.617821216204626),
    embedded=(1 / 3, 1 / 3, 1 / 3),
    error_order=1,
)
