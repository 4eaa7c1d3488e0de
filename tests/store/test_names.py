"""Names become folders: one safe component each, and never the same for two."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emberkeep.store.files import LONGEST, PLAIN, RESERVED, folder_name
from emberkeep.testing.strategies import HOSTILE_NAMES, names

NEAR = st.text(alphabet="aA._-/ \\0", max_size=6)
LIKE_OURS = NEAR.map(lambda text: folder_name(text + "/"))
ANY = names() | NEAR | LIKE_OURS | st.text(alphabet=sorted(PLAIN), min_size=60, max_size=70)
WINDOWS = ["con", "PRN", "aux.txt", "Nul", "COM1", "lpt9.tar.gz", "com0"]


def is_safe(folder):
    return (
        0 < len(folder.encode()) <= 80
        and PLAIN.issuperset(folder)
        and not folder.startswith(".")
        and not folder.endswith(".")
        and folder.lower() not in RESERVED
    )


@given(ANY)
def test_a_folder_is_one_safe_component(name):
    assert is_safe(folder_name(name))


@given(ANY, ANY)
@example("a/b", "a_b")
@example("trailing", "trailing.")
@example("\u00e9", "e\u0301")
@example("x" * 300, "x" * 301)
def test_different_names_have_different_folders(one, other):
    assert (folder_name(one) == folder_name(other)) == (one == other)


@given(ANY)
def test_no_name_takes_the_folder_of_another(name):
    """A folder that was made for a name is not that of the name which reads like it."""
    folder = folder_name(name)
    assert folder == name or folder_name(folder) != folder


def test_hostile_names_are_all_apart():
    folders = [folder_name(name) for name in HOSTILE_NAMES]
    assert len(set(folders)) == len(HOSTILE_NAMES)
    assert all(is_safe(folder) for folder in folders)


@given(st.text(max_size=40))
def test_the_letters_of_a_rewritten_name_tell_its_case_apart(name):
    """Where a digest is in the folder, names that differ in case differ beyond that."""
    one, other = f"{name}/a", f"{name}/A"
    assert folder_name(one).lower() != folder_name(other).lower()


@pytest.mark.parametrize(
    "name", ["lorenz", "Lorenz", "a", "a-b_c.d", "x" * LONGEST, "1", "_", "-a"]
)
def test_plain_names_stay_as_they_are(name):
    assert folder_name(name) == name


@given(ANY)
def test_a_plain_name_is_its_own_folder_forever(name):
    if folder_name(name) == name:
        assert folder_name(folder_name(name)) == name


@pytest.mark.parametrize("name", [*WINDOWS, *sorted(RESERVED), "Blobs", "x" * (LONGEST + 1)])
def test_devices_and_our_own_folders_are_no_names(name):
    folder = folder_name(name)
    assert folder != name
    assert folder.rpartition("-")[0][:40] == name[:40]


def test_a_rewritten_name_can_still_be_read():
    assert folder_name("my model (v2)").startswith("my_model__v2")
    assert folder_name("").startswith("unnamed-")
    assert folder_name("../..").startswith("unnamed-")
