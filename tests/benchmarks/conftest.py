"""Let the tests import the benchmarks' rooms: they are scripts, no package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
