"""What tests of docks need: napari's slow first steps done before, and what it told the user."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from napari_sam2.layers.viewer.warm_up import warm_up

sys.path.insert(0, str(Path(__file__).parent))  # for the mouse, which several tests share


@pytest.fixture(scope="session", autouse=True)
def warm() -> None:
    """Import and compile what docks wait for after they are opened, which can take seconds."""
    import torch  # noqa: F401

    warm_up()


@pytest.fixture
def messages() -> Iterator[list[Any]]:
    """What napari told the user."""
    from napari.utils.notifications import notification_manager

    told: list[Any] = []
    notification_manager.notification_ready.connect(told.append)
    yield told
    notification_manager.notification_ready.disconnect(told.append)
