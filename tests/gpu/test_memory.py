"""What a session does where the device has no memory for all objects at once."""

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from sam2_torch import SAM2, BoxPrompt, VideoSession, load_sam2

pytestmark = pytest.mark.gpu
OBJECTS, FRAMES = 64, 6


@pytest.fixture
def whole_memory() -> Iterator[None]:
    """Give the process all of the device's memory again."""
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def track_discs(model: SAM2) -> list[np.ndarray]:
    """Propagate 64 discs on an 8 x 8 grid, and return the masks of each frame."""
    y, x = np.mgrid[:256, :320]
    disc = ((y % 32 - 16) ** 2 + (x % 40 - 20) ** 2) < 81
    frames = np.stack([np.roll(disc, t, axis=1) for t in range(FRAMES)]) * np.uint8(150) + 20
    session = VideoSession(model, frames)
    for i in range(OBJECTS):
        y0, x0 = 32 * (i // 8) + 7, 40 * (i % 8) + 11
        session.add_prompt(i + 1, 0, BoxPrompt(y0, x0, y0 + 18, x0 + 18))
    return [result.masks for result in session.propagate("forward")]


@pytest.mark.usefixtures("whole_memory")
def test_objects_are_split_until_they_fit() -> None:
    model = copy.deepcopy(load_sam2("cells_nano", "cpu")).cuda()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    expected = track_discs(model)
    needed = torch.cuda.max_memory_allocated() - before
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    allowed = torch.cuda.memory_reserved() + 0.6 * needed
    torch.cuda.set_per_process_memory_fraction(min(1.0, allowed / total))
    found = track_discs(model)
    print(f"{needed / 1e6:.0f} MB needed, {0.6 * needed / 1e6:.0f} MB allowed")
    for one, other in zip(found, expected, strict=True):
        assert (one != other).mean() < 1e-3
