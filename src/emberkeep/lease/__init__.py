"""Single flight: of all who want one artifact at once, one builds and the others wait.

A lease is the right to build one key. It saves work and never carries correctness: without one,
two build the same thing. `claims` is for the threads of one process; `local` is for the processes
of one host, where the kernel knows who lives; `shared` is for hosts, where only a heartbeat tells.
`protocol` says what is common to them.
"""

from emberkeep.lease.local import LocalLease, acquire

__all__ = ["LocalLease", "acquire"]
