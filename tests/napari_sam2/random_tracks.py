"""Random families of objects, for tests of everything that must not lose any."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.movie import Calibration
from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.masks import SparseMask

SHAPE = (12, 17)
CALIBRATION = Calibration((0.5, 0.25), "um", None, 30.0, "s")


@st.composite
def lineages(draw: Any, n_frames: int = 6, most: int = 7) -> Lineage:
    """Draw up to `most` tracks in `n_frames`, ids in any order, some of them daughters."""
    ids = draw(st.lists(st.integers(1, 400), min_size=1, max_size=most, unique=True))
    tracks: list[Track] = []
    for object_id in ids:
        begin = draw(st.integers(0, n_frames - 1))
        end = draw(st.integers(begin, n_frames - 1))
        mothers = [0, *(t.object_id for t in tracks if t.end is not None and t.end < begin)]
        tracks.append(Track(object_id, begin, end, draw(st.sampled_from(mothers))))
    return Lineage(tracks)


@st.composite
def tracked_movies(draw: Any, overlapping: bool = False) -> Tracked:
    """Draw a lineage and masks for it, without gaps; each in its own columns or anywhere."""
    lineage = draw(lineages())
    masklets = Masklets(6, SHAPE)
    seed = np.random.default_rng(draw(st.integers(0, 2**16)))
    for number, track in enumerate(lineage):
        for frame in range(track.begin or 0, (track.end or 0) + 1):
            pixels = seed.random((4, 2)) < 0.6
            pixels[seed.integers(4), seed.integers(2)] = True
            column = int(seed.integers(0, 15)) if overlapping else 2 * number
            mask = SparseMask.from_window(SHAPE, pixels, (int(seed.integers(0, 8)), column))
            masklets.set(track.object_id, frame, mask)
    return Tracked(masklets, lineage, calibration=CALIBRATION)


@st.composite
def tracked_stacks(draw: Any) -> Tracked:
    """Draw a movie of three stacks with four planes: masks in some planes of each time point."""
    lineage = draw(lineages(n_frames=3))
    masklets = Masklets(12, SHAPE)
    seed = np.random.default_rng(draw(st.integers(0, 2**16)))
    for track in lineage:
        for time in range(track.begin or 0, (track.end or 0) + 1):
            for plane in seed.choice(4, size=seed.integers(1, 5), replace=False).tolist():
                pixels = seed.random((3, 2)) < 0.6
                pixels[seed.integers(3), seed.integers(2)] = True
                origin = (int(seed.integers(0, 9)), int(seed.integers(0, 15)))
                mask = SparseMask.from_window(SHAPE, pixels, origin)
                masklets.set(track.object_id, 4 * time + plane, mask)
    bounds = Lineage(
        Track(t.object_id, 4 * (t.begin or 0), 4 * (t.end or 0) + 3, t.parent) for t in lineage
    )
    calibration = Calibration((0.5, 0.25), "um", 2.0, 30.0, "s")
    return Tracked(masklets, bounds, "TZYX", calibration, n_planes=4)


def same_masks(one: Masklets, other: Masklets) -> bool:
    """Tell whether two hold the same masks; empty ones do not count."""
    return _all(one) == _all(other)


def _all(masklets: Masklets) -> dict[tuple[int, int], tuple[Any, ...]]:
    return {
        (object_id, frame): (mask.origin_yx, mask.extent_yx, mask.bits.tobytes())
        for object_id in masklets.object_ids
        for frame in masklets.frames(object_id)
        if (mask := masklets.get(object_id, frame))
    }
