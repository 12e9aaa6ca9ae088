"""One call of DVC's command line: python -m data.dvc.command ARGUMENT …

It waits for the other calls of this checkout, or of the one that `--cd` names, mends what a killed
one left, and ends with the process that made it, however that ends.
"""

import runpy
import sys
from pathlib import Path

from data import stage
from data.dvc import state

if __name__ == "__main__":
    stage.end_with_parent()
    with state.held(Path(sys.argv[2] if sys.argv[1] == "--cd" else ".").absolute()):
        sys.argv[0] = "dvc"
        try:
            runpy.run_module("dvc", run_name="__main__")
        except SystemExit as end:
            status = end.code
    sys.exit(status)
