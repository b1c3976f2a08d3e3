"""The modules of the parity tests and the benchmarks, for the tests that need a CUDA device."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS / "parity"))
sys.path.append(str(TESTS.parent / "benchmarks"))
