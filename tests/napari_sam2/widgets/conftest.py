"""What all docks need: napari's slow first steps are done before the tests."""

import sys
from pathlib import Path

import pytest

from napari_sam2.layers.warm_up import warm_up

sys.path.insert(0, str(Path(__file__).parent))  # for the mouse, which several tests share


@pytest.fixture(scope="session", autouse=True)
def warm() -> None:
    """Let docks make their layers at once, as they do but for a moment after they are opened."""
    warm_up()
