"""The trapezoidal rule, then BDF of order 2, with an estimate of order 3; L-stable.

(Bank et al., IEEE Transactions on Electron Devices 32, 1985; Hosea & Shampine, Applied Numerical
Mathematics 20, 1996.)
"""

from emberkeep.ode.methods.implicit_forms import diagonal

TR_BDF2 = diagonal(
    name="tr-bdf2",
    order=2,
    nodes=(0.0, 0.5857864376269049511983112757903019214303, 1.0),
    stages=(
        (),
        (0.2928932188134524755991556378951509607152, 0.2928932188134524755991556378951509607152),
        (
            0.3535533905932737622004221810524245196424,
            0.3535533905932737622004221810524245196424,
            0.2928932188134524755991556378951509607152,
        ),
    ),
    embedded=(
        0.2154822031355754125998592729825251601192,
        0.6868867239266070955337555143857578529758,
        0.09763107293781749186638521263171698690505,
    ),
    error_order=3,
)
