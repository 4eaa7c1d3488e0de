"""Single flight: of all who want one artifact at once, one builds and the others wait.

A lease is the right to build one key. It saves work and never carries correctness: without one,
two build the same thing. `local` is for the processes of one host, where the kernel knows who
lives; `shared` is for the hosts that share a folder, where only a heartbeat tells.
"""

from emberkeep.lease.local import Lease, acquire

__all__ = ["Lease", "acquire"]
