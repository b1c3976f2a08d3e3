"""Small objects in large frames, seen in windows that follow them."""

import numpy as np
import pytest

from sam2_torch import BoxPrompt, MaskPrompt, PointPrompt, VideoSession

SHAPE = (900, 1200)
RADIUS = 12


class LargeFrames:
    """Discs that move far in frames of which only parts can be read."""

    frame_shape = SHAPE

    def __init__(self, n_frames=7, radius=RADIUS):
        y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
        self.labels = np.zeros((n_frames, *SHAPE), np.uint8)
        for t in range(n_frames):
            for i, (cy, cx) in enumerate(self.centres(t), start=1):
                self.labels[t][(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = i
        noise = np.random.default_rng(0).normal(0, 100, self.labels.shape)
        self.array = (500 + 3000 * (self.labels > 0) + noise).astype(np.uint16)
        self.read = []

    def centres(self, t):
        return (200, 300 + 20 * t), (270, 310 + 20 * t), (700, 1000 - 15 * t)

    def __len__(self):
        return len(self.array)

    def __getitem__(self, frame):
        return self.array[frame]

    def window(self, frame, rows, columns, size=None):
        part = self.array[frame, rows, columns]
        self.read.append((frame, part.shape))
        return part


def iou(mask, other):
    return (mask & other).sum() / (mask | other).sum()


@pytest.fixture(scope="module")
def frames():
    return LargeFrames()


@pytest.fixture
def session(model, frames):
    frames.read.clear()
    return VideoSession(model, frames, resolution=1, contrast=(500, 3500))


def test_windows_follow_their_objects(session, frames):
    for i, (y, x) in enumerate(frames.centres(0), start=1):
        prediction = session.add_prompt(i, 0, PointPrompt([[y, x]], [1]))
        assert iou(prediction.mask, frames.labels[0] == i) > 0.85
    for result in session.propagate("forward"):
        for i, mask in zip(result.object_ids, result.masks, strict=True):
            assert iou(mask, frames.labels[result.frame] == i) > 0.8
    assert {shape for _, shape in frames.read} == {(256, 256)}
    assert len([frame for frame, _ in frames.read if frame == 0]) == 2  # two objects share one


def test_windows_are_as_large_as_their_objects(model):
    frames = LargeFrames(3, radius=100)
    session = VideoSession(model, frames, resolution=1, contrast=(500, 3500))
    y, x = frames.centres(0)[2]
    box = BoxPrompt(y - 100, x - 100, y + 100, x + 100)
    assert iou(session.add_prompt(3, 0, box).mask, frames.labels[0] == 3) > 0.9
    for result in session.propagate("forward"):
        assert iou(result.masks[0], frames.labels[result.frame] == 3) > 0.9
    assert {shape for _, shape in frames.read} == {(512, 512)}


def test_a_click_in_a_large_object_is_tried_in_larger_windows(model):
    frames = LargeFrames(1, radius=150)
    session = VideoSession(model, frames, resolution=1, contrast=(500, 3500))
    session.add_prompt(3, 0, PointPrompt([frames.centres(0)[2]], [1]))
    assert max(shape for _, shape in frames.read) > (256, 256)


def test_boxes_masks_and_corrections_land_in_their_windows(session, frames):
    (y, x), mask = frames.centres(1)[2], frames.labels[1] == 3
    box = BoxPrompt(y - RADIUS, x - RADIUS, y + RADIUS, x + RADIUS)
    assert iou(session.add_prompt(3, 1, box).mask, mask) > 0.85
    refined = session.add_prompt(3, 1, PointPrompt([[y, x + 3]], [1]))
    assert iou(refined.mask, mask) > 0.85
    assert iou(session.add_prompt(4, 1, MaskPrompt(mask)).mask, mask) > 0.9
    absent = session.add_prompt(5, 1, MaskPrompt(np.zeros(SHAPE, bool)))
    assert not absent.sparse
    # a click far from the first one: another window, in which both are said
    far = frames.centres(1)[0]
    session.add_prompt(6, 1, PointPrompt([[y, x]], [1]))
    both = session.add_prompt(6, 1, PointPrompt([[y, x], far], [0, 1]))
    assert both.mask.shape == SHAPE


def test_without_a_resolution_the_whole_frame_is_seen(model, frames):
    frames.read.clear()
    session = VideoSession(model, frames)
    session.add_prompt(1, 0, PointPrompt([frames.centres(0)[0]], [1]))
    assert frames.read == []  # whole frames, as they come


def test_a_small_frame_is_the_same_with_and_without(model, movie):
    image, _ = movie
    masks = []
    for resolution in (None, 1):
        session = VideoSession(model, image, resolution=resolution)
        session.add_prompt(1, 0, PointPrompt([[40, 50]], [1]))
        masks.append([result.masks for result in session.propagate(frames=(0, 3))])
    np.testing.assert_array_equal(*masks)
