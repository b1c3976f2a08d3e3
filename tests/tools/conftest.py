"""Let the tests import the modules of the tools: these are scripts, no package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
