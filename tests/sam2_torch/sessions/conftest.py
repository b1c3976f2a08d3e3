"""The network of tests of sessions, which encodes each image once for all of them."""

import pytest
from tests.embedded_network import Remembering, cells_nano

from sam2_torch import SAM2


@pytest.fixture(scope="session")
def model() -> SAM2:
    """The embedded network with a smaller input."""
    return cells_nano(256, Remembering)
