"""``python -m emberkeep`` is ``emberkeep``."""

import sys

from emberkeep.cli import main

sys.exit(main())
