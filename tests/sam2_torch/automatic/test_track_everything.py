"""Track everything with the embedded network: objects that stay, leave and appear."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.embedded_network import Remembering, cells_nano

from sam2_torch import (
    SAM2,
    EverythingOptions,
    ObjectRules,
    SeedGrid,
    VideoSession,
)
from sam2_torch.automatic import TrackEverything, TrackOptions

OPTIONS = TrackOptions(
    EverythingOptions(
        SeedGrid(points_per_side=8, crop_layers=0),
        rules=ObjectRules(min_area=200, max_area=900, contrast="bright"),
        min_score=0.6,
    ),
    every=4,
)
RADIUS = 14


@pytest.fixture(scope="module")
def model() -> SAM2:
    """The embedded network as it is: with a smaller input it cuts discs off."""
    return cells_nano(kind=Remembering)


@pytest.fixture(scope="module")
def appearing() -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """(8, 128, 200): 1 moves right, 2 leaves after frame 3, 3 appears in frame 2."""
    y, x = np.mgrid[:128, :200]
    places = {
        1: lambda t: (40, 50 + 4 * t),
        2: lambda t: (90, 150) if t < 4 else None,
        3: lambda t: (95, 40) if t >= 2 else None,
    }
    labels = np.zeros((8, 128, 200), np.uint8)
    for t in range(8):
        for number, place in places.items():
            centre = place(t)
            if centre is not None:
                disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < RADIUS**2
                labels[t][disc] = number
    noise = np.random.default_rng(0).normal(0, 100, labels.shape)
    return (500 + 3000 * (labels > 0) + noise).clip(0).astype(np.uint16), labels


def track(
    model: SAM2, frames: NDArray[np.uint16], options: TrackOptions
) -> tuple[TrackEverything, VideoSession]:
    session = VideoSession(model, frames)
    tracking = TrackEverything(session, frames, options)
    steps = list(tracking.run())
    assert steps[-1].done <= steps[-1].total
    return tracking, session


def object_of(tracking: TrackEverything, truth: NDArray[np.bool_], frame: int) -> int | None:
    """Find the object whose mask in a frame is a true one."""
    for (object_id, at), mask in tracking.masks.items():
        if at == frame and mask:
            found = mask.to_dense()
            if (found & truth).sum() > 0.7 * (found | truth).sum():
                return object_id
    return None


def test_objects_stay_leave_and_appear(
    model: SAM2, appearing: tuple[NDArray[np.uint16], NDArray[np.uint8]]
) -> None:
    frames, labels = appearing
    tracking, session = track(model, frames, OPTIONS)
    first = object_of(tracking, labels[0] == 1, 0)
    assert first is not None
    assert [object_of(tracking, labels[t] == 1, t) for t in range(8)] == [first] * 8

    second = object_of(tracking, labels[0] == 2, 0)
    assert second is not None and tracking.objects[second].end == 3
    assert tracking.objects[second].has_ended

    third = object_of(tracking, labels[4] == 3, 4)
    assert third is not None and tracking.objects[third].seed_frame == 4
    assert [object_of(tracking, labels[t] == 3, t) for t in range(2, 8)] == [third] * 6
    assert tracking.objects[third].begin == 2  # followed back to where it appeared

    # an ordinary session: the objects are prompted, and can be prompted again
    assert set(tracking.objects) <= set(session.object_ids)
    assert session.prompted_frames(third) == (4,)
    for t in range(8):
        stack = [mask.to_dense() for (_, at), mask in tracking.masks.items() if at == t]
        assert np.sum(stack, axis=0).max() <= 1


def test_first_frame_only(
    model: SAM2, appearing: tuple[NDArray[np.uint16], NDArray[np.uint8]]
) -> None:
    frames, labels = appearing
    tracking, _ = track(model, frames[:5], replace(OPTIONS, seed_frames="first"))
    assert {tracked.seed_frame for tracked in tracking.objects.values()} == {0}
    assert object_of(tracking, labels[4] == 3, 4) is None


def test_where_coverage_drops(
    model: SAM2, appearing: tuple[NDArray[np.uint16], NDArray[np.uint8]]
) -> None:
    frames, labels = appearing
    # nothing left before frame 4: nothing is looked for in frame 2
    options = replace(OPTIONS, seed_frames="coverage", every=2, least_coverage=0.6)
    tracking, _ = track(model, frames[:4], options)
    assert {tracked.seed_frame for tracked in tracking.objects.values()} == {0}
    assert object_of(tracking, labels[3] == 3, 3) is None


def test_stopping_keeps_what_is_done(
    model: SAM2, appearing: tuple[NDArray[np.uint16], NDArray[np.uint8]]
) -> None:
    frames, labels = appearing
    tracking = TrackEverything(VideoSession(model, frames), frames, OPTIONS)
    run = tracking.run()
    for step in run:
        if step.frame == 2:
            break
    run.close()
    assert object_of(tracking, labels[2] == 1, 2) is not None
    assert not any(frame > 2 for _, frame in tracking.masks)


def test_known_objects_are_not_found_again(
    model: SAM2, appearing: tuple[NDArray[np.uint16], NDArray[np.uint8]]
) -> None:
    from sam2_torch import MaskPrompt, SparseMask

    frames, labels = appearing
    session = VideoSession(model, frames[:1])
    session.add_prompt(7, 0, MaskPrompt(labels[0] == 1))
    known = {7: SparseMask.from_dense(labels[0] == 1)}
    tracking = TrackEverything(session, frames[:1], OPTIONS, known=lambda frame: known)
    list(tracking.run())
    assert 7 not in tracking.objects and min(tracking.objects) == 8
    assert object_of(tracking, labels[0] == 1, 0) is None
    assert object_of(tracking, labels[0] == 2, 0) is not None


def test_wrong_options_are_told() -> None:
    with pytest.raises(ValueError, match="seed frames: expected first, every or coverage"):
        TrackOptions(seed_frames="some")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a distance and a patience of 1 or more"):
        TrackOptions(every=0)
