"""The fixture that mounts lying file systems, for tests anywhere.

A folder of tests gets it by two lines of its conftest.py::

    sys.path.append(os.path.join(TESTS, "faults", "lying"))
    from mounting import mount
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time

import pytest
from controls import Controls, unmounting

FILESYSTEM = os.path.join(os.path.dirname(__file__), "filesystem.py")
READY_WITHIN_S = 20.0
GONE_WITHIN_S = 3.0
CANNOT = 77  # the status of `filesystem.py` where there is no FUSE
REFUSED = ("not permitted", "denied", "not found")


class Lying(Controls):
    """A mounted file system that tells the truth until it is told otherwise.

    Attributes:
        path: where it is mounted.
        backing: the folder that it shows.
        control: the socket that `controls.Controls` speaks to, from this or another process.
    """

    def __init__(self, path, backing):
        self._short = tempfile.mkdtemp(prefix="lying-")  # a socket's path must not be long
        super().__init__(os.path.join(self._short, "control"))
        self.path, self.backing = str(path), str(backing)
        self._said = os.path.join(self._short, "said")
        with open(self._said, "wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, FILESYSTEM] + [self.backing, self.path, self.control],
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,
            )

    def wait_until_ready(self):
        """Wait until it is mounted; skips the test where that cannot be."""
        end = time.monotonic() + READY_WITHIN_S
        while not os.path.ismount(self.path):
            status = self._process.poll()
            said = self.said()
            if status == CANNOT or (status and any(word in said for word in REFUSED)):
                self._forget()
                pytest.skip(f"no lying file system here: {said.strip()}")
            assert status is None, f"the file system ended with {status}: {said}"
            assert time.monotonic() < end, f"not mounted after {READY_WITHIN_S} s: {said}"
            time.sleep(0.005)

    def said(self):
        """What the process complained of; nothing, if all is well."""
        with open(self._said, errors="replace") as file:
            return file.read()

    def end(self):
        """Unmount, whatever hangs or is in use; who waits in there gets an error."""
        if not os.path.isdir(self._short):  # ended already
            return
        try:
            self._process.stdin.close()  # it unmounts itself and ends
            self._process.wait(GONE_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()  # and the kernel lets go of all that waits for an answer
            self._process.wait()
        subprocess.run(unmounting(self.path), capture_output=True, check=False)
        said = self.said()
        self._forget()
        assert not os.path.ismount(self.path)
        assert not said, said

    def _forget(self):
        self._process.stdin.close()
        shutil.rmtree(self._short)


@pytest.fixture
def mount(tmp_path):
    """Mount a lying file system: ``lying = mount()``; a second host: ``mount(lying.backing)``.

    Each mount is a process of its own, as each host is a client of its own. `lying.path` is where
    it is seen, `lying.backing` the folder with the truth. It tells the truth until::

        lying.inject("ESTALE", "open", path="*.json", times=200)  # any error's name
        lying.inject("EIO", ["read", "write"], probability=0.3)
        lying.inject("EPERM", "link")                     # no hard links here
        lying.inject("ENOLCK", "flock")                   # no locks
        lying.inject("EEXIST", "link", after=True)        # done, and reported as failed
        lying.inject(delay=0.1, operation="readdir")
        lying.inject(hang=True, path="blobs/*")           # until release() or clear()
        lying.inject(stale=True, path="*.lease")          # what the file held before
        lying.inject(torn=True)                           # the first half
        lying.inject(flipped=True, times=1)               # one bit
        lying.inject(hidden=True, lasts_s=2.0)            # exists, and is not seen
        lying.inject(negative=1.0)                        # found missing: stays so for a second
        lying.inject(negative=60.0, revalidates=True)     # or until its folder is opened, as on NFS

    Operations: getattr (each look-up), open, create, read, write, truncate, flush (as part of
    close), fsync, rename, link, symlink, readlink, unlink, mkdir, rmdir, readdir, chmod, chown,
    utimens, flock, statfs; "*" for all, which is what delay and hang mean if they don't say.
    `path` is a pattern for the path below the mount; its * matches slashes too. A rule fires
    `times` times, or with a `probability`, or until `lasts_s` is over, or always. Of several
    rules for errors the first one fires; delays and hangs come before them.

    `stale`, `torn` and `flipped` are decided when a file is opened for reading, and hold until it
    is closed. Previous contents are known for what was replaced, rewritten, moved or removed by way
    of any mount of the backing folder. `hidden` spares what the same mount made after it was
    injected.

    `lying.clear()` ends all lies, `lying.release()` what hangs now. `lying.counts()` says how often
    each was told, `lying.counts("open")` of one operation; `lying.operations()` how often each
    operation arrived. Programs in other processes use `controls.Controls(lying.control)`.

    Mind three things. Linux itself tries again, once, after ESTALE from whatever takes a path: two
    must be told for one to be seen. A file that is removed or replaced while the same mount has it
    open lives on as `.fuse_hidden…` (NFS's `.nfs…`), until shortly after it is closed. Who hangs
    can be killed; any other signal is heard, and the hang begins, and is counted, anew.

    A test may end as it likes: whatever hangs is let go, and all is unmounted.
    """
    mounted = []

    def mount(backing=None):
        number = len(mounted)
        if backing is None:
            backing = tmp_path / f"backing-{number}"
            backing.mkdir()
        path = tmp_path / f"mount-{number}"
        path.mkdir()
        mounted.append(Lying(path, backing))
        mounted[-1].wait_until_ready()
        return mounted[-1]

    yield mount
    problems = []
    for lying in mounted:
        try:
            lying.end()
        except AssertionError as problem:  # unmount the others all the same
            problems.append(problem)
    assert not problems, problems
