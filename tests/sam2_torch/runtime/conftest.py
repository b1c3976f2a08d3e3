"""A network for tests that compare two ways to compute the same."""

import pytest
from tests.embedded_network import cells_nano

from sam2_torch import SAM2


@pytest.fixture(scope="session")
def small_model() -> SAM2:
    """The embedded network with an input so small that only its speed is good."""
    return cells_nano(128)
