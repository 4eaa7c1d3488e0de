"""Run a command of the command line where no file may be larger than so many bytes.

As on a full disk or beyond a quota, except that both ends can be told apart afterwards.
"""

import resource
import sys

from emberkeep.cli import main

limit, *words = sys.argv[1:]
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), most))
sys.exit(main(words))
