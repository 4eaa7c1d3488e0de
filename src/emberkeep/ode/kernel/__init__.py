"""The kernel of a plan: what is done for one trajectory, and how a target's compiler is told.

`code` is the form: values, variables and loops of one trajectory. `step`, `control`, `adaptive` and
`fixed` say in it what an integration is; `outputs` what comes out. `llvm` prints it for CPUs, with
trajectories side by side in vectors, and `cuda` for GPUs, with a thread for each.
"""
