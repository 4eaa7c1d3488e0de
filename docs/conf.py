import atexit
import os
import shutil
import tempfile

# What pages compile goes into a keep for this build alone, never into the developer's own.
_folder = tempfile.mkdtemp(prefix="emberkeep-docs-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["EMBERKEEP_DIR"] = os.path.join(_folder, "keep")
os.environ["EMBERKEEP_CONFIG_DIR"] = os.path.join(_folder, "config")

import emberkeep  # noqa: E402 - it must not see the developer's settings

project = "emberkeep"
author = "The emberkeep developers"
release = emberkeep.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.doctest", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "emberkeep"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "none"
autodoc_member_order = "bysource"
nitpicky = False
