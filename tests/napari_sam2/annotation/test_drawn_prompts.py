"""What is drawn, as prompts; in frames that no mask of the whole would fit in memory."""

import tracemalloc

import numpy as np
import pytest

from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from sam2_torch.masks import SparseMask

LARGE = (200_000, 150_000)  # 30 GB as a mask


def circle(y, x, radius):
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    corners = np.stack([y + radius * np.sin(angle), x + radius * np.cos(angle)], axis=1)
    return tuple(map(tuple, corners.tolist()))


def test_outlines_and_paint_are_one_mask_that_takes_no_more_than_they_do():
    painted = SparseMask.from_window(LARGE, np.ones((30, 40)), (99_990, 100_050))
    marks = DrawnPrompts(outlines=(circle(100_000, 100_000, 50),), painted=painted)
    tracemalloc.start()
    (prompt,) = marks.prompts(LARGE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert prompt.sparse.shape == LARGE
    assert prompt.sparse.part(slice(99_940, 100_060), slice(99_940, 100_095)).sum() == (
        pytest.approx(np.pi * 50**2 + 30 * 40, rel=0.05)
    )
    assert peak < 1_000_000


def test_an_outline_is_cut_off_where_the_frame_ends():
    (prompt,) = DrawnPrompts(outlines=(circle(-10, 40, 30),)).prompts(LARGE)
    assert prompt.sparse.origin_yx == (0, 12) and prompt.sparse.extent_yx[0] in (20, 21)


def test_an_outline_beside_the_frame_is_an_empty_mask():
    (prompt,) = DrawnPrompts(outlines=(circle(-100, 40, 30),)).prompts((60, 80))
    assert not prompt.sparse and prompt.mask.shape == (60, 80)
