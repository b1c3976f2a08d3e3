"""Imports point in the directions that pyproject.toml lays down."""

import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).parents[1]


def test_imports_keep_to_the_contracts():
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
