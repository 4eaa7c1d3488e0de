"""The lying file system itself: it passes everything through, and tells the lies it is told to."""

import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

LONG_S = 20.0


@pytest.fixture
def lying(mount):
    return mount()


def put(folder, name, content):
    """Replace a file whole, as stores do."""
    path = os.path.join(folder, name)
    with open(f"{path}.new", "wb") as file:
        file.write(content)
    os.replace(f"{path}.new", path)
    return path


def get(folder, name):
    with open(os.path.join(folder, name), "rb") as file:
        return file.read()


def number_of(work):
    """The number of the error that it raises; zero if it does not."""
    try:
        work()
    except OSError as problem:
        return problem.errno
    return 0


def wait_until(holds):
    end = time.monotonic() + LONG_S
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


# The truth ----------------------------------------------------------------------------------------


def test_what_is_done_to_it_is_done_to_the_folder_behind_it(lying):
    here, there = lying.path, lying.backing
    content = os.urandom(300_000)
    put(here, "file", content)
    assert get(there, "file") == get(here, "file") == content
    os.makedirs(f"{here}/one/two")
    os.rename(f"{here}/file", f"{here}/one/two/moved")
    os.link(f"{here}/one/two/moved", f"{here}/linked")
    os.symlink("linked", f"{here}/symbolic")
    os.chmod(f"{here}/linked", 0o640)
    os.utime(f"{here}/linked", ns=(1_000_000_007, 2_000_000_011))
    for root in (here, there):
        facts = os.stat(f"{root}/linked")
        assert (facts.st_nlink, facts.st_mode & 0o777, facts.st_size) == (2, 0o640, 300_000)
        assert (facts.st_atime_ns, facts.st_mtime_ns) == (1_000_000_007, 2_000_000_011)
        assert os.readlink(f"{root}/symbolic") == "linked"
        assert sorted(os.listdir(root)) == ["linked", "one", "symbolic"]
        with os.scandir(root) as entries:
            assert {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)} == {
                "one"
            }
    os.unlink(f"{here}/linked")
    os.unlink(f"{here}/one/two/moved")
    os.removedirs(f"{here}/one/two")
    assert os.listdir(there) == ["symbolic"]
    assert lying.counts() == {}
    assert lying.operations()["rename"] == 2


def test_a_touched_file_is_as_new(lying):
    path = put(lying.path, "file", b"content")
    os.utime(path, (1, 1))
    before = time.time()
    os.utime(path)
    assert before - 1 < os.stat(f"{lying.backing}/file").st_mtime < time.time() + 1


def test_files_are_rewritten_appended_to_and_cut(lying):
    path = put(lying.path, "file", b"one")
    with open(path, "ab") as file:
        file.write(b", two")
    with open(path, "r+b") as file:
        file.write(b"ONE")
        file.flush()
        assert os.fstat(file.fileno()).st_size == 8
        file.truncate(6)
    assert get(lying.backing, "file") == b"ONE, t"
    with open(path, "wb") as file:
        file.write(b"anew")
    assert get(lying.backing, "file") == b"anew"


def test_exclusive_creation_and_permissions_are_kept(lying):
    path = f"{lying.path}/file"
    before = os.umask(0o027)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    finally:
        os.umask(before)
    assert os.stat(f"{lying.backing}/file").st_mode & 0o777 == 0o640
    again = number_of(lambda: os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    assert again == errno.EEXIST


def test_a_removed_file_can_be_read_while_it_is_open(lying):
    with open(put(lying.path, "file", b"content"), "rb") as file:
        os.unlink(f"{lying.path}/file")
        assert os.fstat(file.fileno()).st_size == 7
        assert file.read() == b"content"
    wait_until(lambda: os.listdir(lying.backing) == [])  # the kernel does not wait for it


def test_two_views_see_one_another(mount):
    one = mount()
    two = mount(one.backing)
    for number in range(20):
        put(one.path, "file", f"{number}".encode())
        assert get(two.path, "file") == f"{number}".encode()
        assert os.stat(f"{two.path}/file").st_size == len(f"{number}")
        os.unlink(f"{two.path}/file")
        assert not os.path.exists(f"{one.path}/file")
    one.inject("EIO", "open")
    put(two.path, "file", b"fine")
    assert get(two.path, "file") == b"fine"
    assert number_of(lambda: get(one.path, "file")) == errno.EIO


def test_locks_hold_between_views(mount):
    one = mount()
    two = mount(one.backing)
    path = os.path.basename(put(one.path, "lock", b""))
    with open(f"{one.path}/{path}") as ours, open(f"{two.path}/{path}") as theirs:
        fcntl.flock(ours, fcntl.LOCK_EX | fcntl.LOCK_NB)
        refused = lambda: fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert number_of(refused) == errno.EWOULDBLOCK
        os.unlink(f"{one.path}/{path}")
        ours.close()
        wait_until(lambda: number_of(refused) == 0)  # the kernel does not wait for it


# Errors -------------------------------------------------------------------------------------------


def rewrite(folder):
    with open(f"{folder}/file", "r+b") as file:
        file.write(b"other")


def create(folder):
    with open(f"{folder}/new", "xb"):
        pass


DONE = {
    "getattr": lambda folder: os.stat(f"{folder}/file"),
    "open": lambda folder: get(folder, "file"),
    "read": lambda folder: get(folder, "file"),
    "write": rewrite,
    "flush": rewrite,
    "create": create,
    "rename": lambda folder: os.rename(f"{folder}/file", f"{folder}/new"),
    "link": lambda folder: os.link(f"{folder}/file", f"{folder}/new"),
    "unlink": lambda folder: os.unlink(f"{folder}/file"),
    "readdir": os.listdir,
    "mkdir": lambda folder: os.mkdir(f"{folder}/new"),
    "rmdir": lambda folder: os.rmdir(f"{folder}/folder"),
    "utimens": lambda folder: os.utime(f"{folder}/file"),
    "chmod": lambda folder: os.chmod(f"{folder}/file", 0o600),
    "truncate": lambda folder: os.truncate(f"{folder}/file", 1),
}


ERRORS = ("ESTALE", "EBUSY", "EIO", "ENOSPC", "EACCES", "EROFS")


@pytest.mark.parametrize("operation", DONE)
def test_each_operation_fails_as_it_is_told(lying, operation):
    put(lying.backing, "file", b"truth")
    os.mkdir(f"{lying.backing}/folder")
    for error in ERRORS:
        lying.inject(error, operation)
        assert number_of(lambda: DONE[operation](lying.path)) == getattr(errno, error)
        assert lying.counts(operation)[error] >= 1
        lying.clear()
        assert sorted(os.listdir(lying.path)) == ["file", "folder"]
    assert set(lying.counts()) == set(ERRORS)
    # What was written is there before close says that it is not.
    assert get(lying.path, "file") == (b"other" if operation == "flush" else b"truth")
    assert number_of(lambda: DONE[operation](lying.path)) == 0


def test_an_error_comes_as_often_as_it_is_told(lying):
    put(lying.backing, "file", b"truth")
    lying.inject("EIO", "open", times=3)
    told = [number_of(lambda: get(lying.path, "file")) for _ in range(5)]
    assert told == [errno.EIO] * 3 + [0] * 2
    assert lying.counts() == {"EIO": 3}


def test_two_stale_handles_are_needed_for_one_to_be_seen(lying):
    put(lying.backing, "file", b"truth")
    lying.inject("ESTALE", "open", times=201)
    told = [number_of(lambda: get(lying.path, "file")) for _ in range(110)]
    assert told == [errno.ESTALE] * 100 + [0] * 10
    assert lying.counts() == {"ESTALE": 201}


def test_an_error_comes_by_chance(lying):
    put(lying.backing, "file", b"truth")
    lying.inject("EBUSY", "open", probability=0.3)
    told = [number_of(lambda: get(lying.path, "file")) for _ in range(200)]
    assert 30 < told.count(errno.EBUSY) < 90
    assert lying.counts() == {"EBUSY": told.count(errno.EBUSY)}


def test_an_error_is_for_paths_that_match(lying):
    os.makedirs(f"{lying.backing}/kinds/name")
    put(f"{lying.backing}/kinds/name", "manifest.json", b"{}")
    put(f"{lying.backing}/kinds/name", "blob", b"bytes")
    lying.inject("EACCES", "open", path="*.json")
    assert number_of(lambda: get(lying.path, "kinds/name/manifest.json")) == errno.EACCES
    assert get(lying.path, "kinds/name/blob") == b"bytes"
    lying.clear()
    lying.inject("EACCES", ["open", "rename"], path="kinds/*/blob")
    assert get(lying.path, "kinds/name/manifest.json") == b"{}"
    moved = lambda: os.rename(
        f"{lying.path}/kinds/name/manifest.json", f"{lying.path}/kinds/name/blob"
    )
    assert number_of(moved) == errno.EACCES


def test_an_error_ends_after_its_time(lying):
    put(lying.backing, "file", b"truth")
    lying.inject("EIO", "open", lasts_s=0.5)
    assert number_of(lambda: get(lying.path, "file")) == errno.EIO
    wait_until(lambda: number_of(lambda: get(lying.path, "file")) == 0)


def test_a_folder_without_links_or_locks(lying):
    put(lying.backing, "file", b"truth")
    lying.inject("EPERM", "link")
    lying.inject("ENOLCK", "flock", times=1)
    lying.inject("ENOSYS", "flock")
    linked = lambda: os.link(f"{lying.path}/file", f"{lying.path}/other")
    assert number_of(linked) == errno.EPERM
    with open(f"{lying.path}/file") as file:
        locked = lambda: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert [number_of(locked) for _ in range(3)] == [errno.ENOLCK, errno.ENOSYS, errno.ENOSYS]
    assert lying.counts()["EPERM"] == 1


@pytest.mark.parametrize(
    ("operation", "error", "left"),
    [
        ("link", "EEXIST", ["file", "new"]),
        ("rename", "ENOENT", ["new"]),
        ("unlink", "ENOENT", []),
        ("mkdir", "EEXIST", ["file", "new"]),
        ("create", "EEXIST", ["file", "new"]),
    ],
)
def test_what_was_done_is_reported_as_failed(lying, operation, error, left):
    """As by a server that did it, and whose answer was lost."""
    put(lying.backing, "file", b"truth")
    lying.inject(error, operation, after=True, times=1)
    assert number_of(lambda: DONE[operation](lying.path)) == getattr(errno, error)
    assert sorted(os.listdir(lying.path)) == left
    assert lying.counts() == {error: 1}


# Lies about contents ------------------------------------------------------------------------------


def test_a_stale_read_gives_what_the_file_held_before(mount):
    one = mount()
    two = mount(one.backing)
    put(one.path, "file", b"the first")
    put(one.path, "file", b"the second one")
    two.inject(stale=True, times=2)
    for _ in range(2):
        with open(f"{two.path}/file", "rb") as file:
            assert os.fstat(file.fileno()).st_size == len(b"the first")
            assert file.read() == b"the first"
    assert get(two.path, "file") == b"the second one"
    assert get(one.path, "file") == b"the second one"
    assert two.counts() == {"stale": 2}


def test_a_stale_read_knows_what_was_rewritten_moved_or_removed(mount):
    one = mount()
    two = mount(one.backing)
    two.inject(stale=True)
    put(one.path, "rewritten", b"beat 1")
    assert get(two.path, "rewritten") == b"beat 1"  # there is nothing older
    assert two.counts() == {}
    with open(f"{one.path}/rewritten", "r+b") as file:
        file.write(b"beat 2")
    assert get(two.path, "rewritten") == b"beat 1"
    put(one.path, "moved", b"old")
    os.rename(f"{one.path}/moved", f"{one.path}/away")
    put(one.path, "moved", b"new")
    assert get(two.path, "moved") == b"old"
    put(one.path, "removed", b"old")
    os.unlink(f"{one.path}/removed")
    put(one.path, "removed", b"new")
    assert get(two.path, "removed") == b"old"
    two.clear()
    assert (get(two.path, "rewritten"), get(two.path, "removed")) == (b"beat 2", b"new")


def test_a_file_replaced_while_it_is_open_was_something_before(lying):
    path = put(lying.path, "file", b"old")
    with open(path, "rb") as file:
        put(lying.path, "file", b"new")
        lying.inject(stale=True)
        assert get(lying.path, "file") == b"old"
        assert file.read() == b"old"


def test_a_torn_file_ends_early(lying):
    path = put(lying.path, "file", bytes(100))
    lying.inject(torn=True, times=1)
    with open(path, "rb") as file:
        assert os.fstat(file.fileno()).st_size == 50
        assert file.read() == bytes(50)
    assert get(lying.path, "file") == bytes(100)
    assert lying.counts() == {"torn": 1}


def test_a_flipped_file_differs_in_one_bit(lying):
    content = os.urandom(300_000)
    put(lying.path, "file", content)
    put(lying.path, "empty", b"")
    lying.inject(flipped=True)
    assert get(lying.path, "empty") == b""
    read = get(lying.path, "file")
    difference = int.from_bytes(read, "big") ^ int.from_bytes(content, "big")
    assert (len(read), difference.bit_count()) == (len(content), 1)
    assert get(lying.backing, "file") == content
    assert lying.counts() == {"flipped": 1}


def test_a_hidden_file_is_not_there_and_not_listed(lying):
    put(lying.backing, "a.json", b"{}")
    put(lying.backing, "b", b"bytes")
    lying.inject(hidden=True, path="*.json")
    assert number_of(lambda: get(lying.path, "a.json")) == errno.ENOENT
    assert os.listdir(lying.path) == ["b"]
    exclusive = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    assert number_of(lambda: os.open(f"{lying.path}/a.json", exclusive)) == errno.EEXIST
    put(lying.path, "c.json", b"its own")
    assert get(lying.path, "c.json") == b"its own"
    assert lying.counts("getattr")["hidden"] >= 1
    assert lying.counts("readdir") == {"hidden": 1}
    lying.clear()
    assert get(lying.path, "a.json") == b"{}"


def test_what_was_missing_stays_missing_for_a_while(mount):
    one = mount()
    two = mount(one.backing)
    two.inject(negative=1.0)
    put(one.path, "known", b"bytes")
    assert number_of(lambda: get(two.path, "file")) == errno.ENOENT
    put(one.path, "file", b"bytes")
    assert number_of(lambda: get(two.path, "file")) == errno.ENOENT
    assert get(two.path, "known") == b"bytes"
    put(two.path, "other", b"its own")
    assert get(two.path, "other") == b"its own"
    wait_until(lambda: number_of(lambda: get(two.path, "file")) == 0)
    assert two.counts()["negative"] >= 1


def test_what_was_missing_is_asked_for_anew_once_its_folder_is_opened(mount):
    one = mount()
    two = mount(one.backing)
    two.inject(negative=60.0, revalidates=True)
    for name in ("file", "folder"):
        assert not os.path.exists(os.path.join(two.path, name))
    put(one.path, "file", b"bytes")
    os.mkdir(os.path.join(one.path, "folder"))
    assert number_of(lambda: get(two.path, "file")) == errno.ENOENT
    with pytest.raises(FileExistsError):
        os.mkdir(os.path.join(two.path, "folder"))
    assert os.path.isdir(os.path.join(two.path, "folder"))
    os.close(os.open(two.path, os.O_RDONLY))
    assert get(two.path, "file") == b"bytes"


# Time ---------------------------------------------------------------------------------------------


def test_an_operation_takes_as_long_as_it_is_told(lying):
    put(lying.backing, "file", b"truth")
    lying.inject(delay=0.2, operation="open")
    started = time.monotonic()
    assert get(lying.path, "file") == b"truth"
    assert time.monotonic() - started >= 0.2
    assert lying.counts() == {"delay": 1}


def test_what_hangs_stops_nobody_else_and_goes_on_when_it_is_released(lying):
    names = [f"blob-{number}" for number in range(30)]
    for name in [*names, "free"]:
        put(lying.backing, name, name.encode())
    lying.inject(hang=True, operation="open", path="blob-*")
    read = {}
    threads = [
        threading.Thread(target=lambda name=name: read.update({name: get(lying.path, name)}))
        for name in names
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: lying.counts().get("hang") == len(names))
    assert get(lying.path, "free") == b"free"
    assert read == {}
    lying.release()
    for thread in threads:
        thread.join(LONG_S)
    assert read == {name: name.encode() for name in names}


def test_who_hangs_can_be_killed(lying):
    put(lying.backing, "file", b"truth")
    lying.inject(hang=True, operation="read")
    reader = subprocess.Popen(["cat", f"{lying.path}/file"], stdout=subprocess.DEVNULL)
    wait_until(lying.counts)
    reader.kill()
    assert reader.wait(LONG_S) == -signal.SIGKILL
    lying.clear()
    assert get(lying.path, "file") == b"truth"


def test_a_signal_does_not_end_a_hang(lying):
    put(lying.backing, "file", b"truth")
    lying.inject(hang=True, operation="open")
    heard = []
    before = signal.signal(signal.SIGALRM, lambda *_: heard.append("alarm"))
    releasing = threading.Timer(0.5, lying.release)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        releasing.start()
        assert get(lying.path, "file") == b"truth"
    finally:
        signal.signal(signal.SIGALRM, before)
        releasing.join()
    assert heard == ["alarm"]
    assert lying.counts() == {"hang": 2}


def test_a_process_ends_although_a_call_of_it_hangs(lying):
    """As it must on a dead network file system: the call is on a thread of its own."""
    put(lying.backing, "file", b"truth")
    lying.inject(hang=True, operation="open")
    program = """
import os, sys
from emberkeep.sharing.deadline import Guarded, PlaceHangs, PlaceShunned
place, told = Guarded("a place", 0.1), []
for _ in range(5):
    try: place.call(lambda _: os.open(sys.argv[1], os.O_RDONLY))
    except (PlaceHangs, PlaceShunned) as problem: told.append(type(problem).__name__)
print(*told)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, f"{lying.path}/file"],
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=True,
    )
    assert done.stdout.split() == ["PlaceHangs"] * 3 + ["PlaceShunned"] * 2
    assert done.stderr == ""


# Robustness ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["hangs", "is in use", "is killed", "is stopped"])
def test_it_is_unmounted_whatever_goes_on_in_it(mount, how):
    lying = mount()
    path = put(lying.path, "file", b"content")
    reader = "import sys; open(sys.argv[1]).read(); print('read', flush=True); input()"
    if how == "hangs":
        lying.inject(hang=True, operation="read")
    using = subprocess.Popen(
        [sys.executable, "-c", reader, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=lying.path,
    )
    if how == "hangs":
        wait_until(lying.counts)
    else:
        assert using.stdout.readline() == b"read\n"
    if how == "is killed":
        lying._process.kill()
    if how == "is stopped":
        lying._process.send_signal(signal.SIGSTOP)
    lying.end()
    assert not os.path.ismount(lying.path)
    assert os.listdir(lying.path) == []
    assert get(lying.backing, "file") == b"content"
    with contextlib.suppress(BrokenPipeError):
        using.communicate(b"\n", timeout=LONG_S)


def test_it_ends_with_whoever_started_it(mount, tmp_path):
    control = mount().control  # skips where there is no FUSE
    backing, place = tmp_path / "backing", tmp_path / "place"
    backing.mkdir()
    place.mkdir()
    program = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, *sys.argv[1:]], stdin=subprocess.PIPE)
while not os.path.ismount(sys.argv[3]): time.sleep(0.01)
os._exit(9)
"""
    filesystem = os.path.join(os.path.dirname(__file__), "filesystem.py")
    done = subprocess.run(
        [sys.executable, "-c", program, filesystem, backing, place, f"{control}-2"], check=False
    )
    assert done.returncode == 9
    wait_until(lambda: not os.path.ismount(place))


def test_a_rule_that_makes_no_sense_is_refused(lying):
    with pytest.raises(ValueError, match="ENONSENSE"):
        lying.inject("ENONSENSE", "open")
    with pytest.raises(ValueError, match="say which operation"):
        lying.inject("EIO")
    with pytest.raises(TypeError, match="one error or one of"):
        lying.inject("EIO", "open", hang=True)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import sys; sys.stderr.write('no FUSE here: no library'); sys.exit(77)", "no library"),
        ("import sys; sys.exit('fusermount3: mount failed: Operation not permitted')", "permitted"),
    ],
)
def test_where_it_cannot_be_a_test_is_skipped_and_says_why(
    mount, monkeypatch, tmp_path, program, reason
):
    script = tmp_path / "filesystem.py"
    script.write_text(program)
    monkeypatch.setattr(sys.modules["mounting"], "FILESYSTEM", str(script))
    with pytest.raises(pytest.skip.Exception, match=reason):
        mount()
