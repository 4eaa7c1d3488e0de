"""A keep for each file of tests."""

import pytest

from emberkeep import Keep


@pytest.fixture(scope="module")
def keep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBERKEEP_CONFIG_DIR", str(folder / "config"))
        keep = Keep(folder / "keep")
        keep.get_or_build("probe", "probe", {}, lambda: {"x": b""})  # while it is configured so
    return keep
