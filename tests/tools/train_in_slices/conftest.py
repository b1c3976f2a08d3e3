"""Let the tests import the modules of the tool: it is a folder of scripts, no package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "tools" / "train_in_slices"))
