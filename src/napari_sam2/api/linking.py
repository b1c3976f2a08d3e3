"""Link a label movie without identities: the network proposes masks, an assignment decides."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.optimize import linear_sum_assignment

from napari_sam2.io.tracks.writer import Progress, silent
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.movie import Movie
from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.automatic.divisions import BEFORE, Body, daughter_distance
from sam2_torch.automatic.overlaps import covered_shares, is_new
from sam2_torch.masks import SparseMask
from sam2_torch.prompts import MaskPrompt

if TYPE_CHECKING:
    from sam2_torch import SAM2, VideoSession

Masks: TypeAlias = Mapping[int, SparseMask]
"""Masks of one frame by object id or label."""

LEAST_IOU = 0.15
"""A proposal and a label that share less are not the same object."""

MOST_COVERED = 0.3
"""Largest share of a missing object's predicted mask that other objects may cover."""


@dataclass(frozen=True)
class Links:
    """Objects of one frame and their labels in the next.

    Parameters
    ----------
    same
        Object -> label of the next frame.
    divided
        Mother -> the labels of her two daughters.
    """

    same: dict[int, int] = field(default_factory=dict)
    divided: dict[int, tuple[int, int]] = field(default_factory=dict)


def link_labels(
    model: "SAM2",
    movie: Movie,
    labels: Tracked,
    *,
    divisions: bool = True,
    progress: Progress = silent,
) -> Tracked:
    """Link the objects of a label movie through time.

    Each frame's masks prompt the network, which predicts them in the next frame. An assignment
    over all objects decides which label there is which object. The masks stay as they are.

    Parameters
    ----------
    model
        From `sam2_torch.load_sam2`.
    movie
        The pixels.
    labels
        The masks; equal labels in different frames mean nothing.
    divisions
        Whether an object may become two.
    progress
        Called after each frame.

    Returns
    -------
    The same masks with new ids from 1 on, and their lineage.

    Raises
    ------
    ValueError
        If the shapes do not fit, or the movie is one of stacks.
    """
    from sam2_torch import VideoSession

    check_labels(labels, (movie.n_frames, *movie.frame_shape), movie.n_planes)
    linking = Linking(VideoSession(model, movie), labels, divisions=divisions)
    for done in linking.run():
        progress(done, movie.n_frames)
    movie.blank.warn()
    return Tracked.of(movie, linking.masklets, linking.lineage)


def check_labels(labels: Tracked, shape: tuple[int, int, int], n_planes: int = 1) -> None:
    """Check that labels can be linked on a movie of a shape, (T, H, W).

    Raises
    ------
    ValueError
        If the shapes do not fit, or the movie is one of stacks.
    """
    if n_planes > 1:
        raise ValueError(
            f"link: expected a movie or a stack, found a movie of stacks of {n_planes} "
            "planes; link one plane of it"
        )
    if (labels.n_frames, *labels.masklets.frame_shape) != shape:
        raise ValueError(
            f"labels: expected {shape[0]} frames of {shape[1]} x {shape[2]} as in the movie, found "
            f"{labels.n_frames} of {labels.masklets.frame_shape}"
        )


class Linking:
    """Link the labels of a movie, frame by frame.

    Parameters
    ----------
    session
        A session of the movie for this alone: it is reset for each frame.
    labels, divisions
        As for `link_labels`.
    gap
        Largest number of frames in which an object may be missing. The masks that the network
        predicted there are added if it comes back.
    new_id
        Returns the id of a new object; by default 1, 2, …

    Attributes
    ----------
    masklets
        The masks of the frames so far with their new ids.
    ids
        Object id of each label of the last frame.
    filled
        Masks of the gaps that the last frame closed, by (object id, frame).
    """

    def __init__(
        self,
        session: "VideoSession",
        labels: Tracked,
        *,
        divisions: bool = True,
        gap: int = 0,
        new_id: Callable[[], int] | None = None,
    ) -> None:
        self.masklets = Masklets(labels.n_frames, labels.masklets.frame_shape)
        self._session = session
        self._labels = labels
        self._divisions = divisions
        self._gap = gap
        self._missing: dict[int, dict[int, SparseMask]] = {}  # predicted masks by frame
        self._new_id = new_id or partial(next, count(1))
        self._rows: dict[int, tuple[int, int]] = {}  # begin and parent
        self.ids: dict[int, int] = {}
        self.filled: dict[tuple[int, int], SparseMask] = {}

    @property
    def lineage(self) -> Lineage:
        """Return the lineage of all objects so far."""
        return Lineage(
            Track(object_id, begin, self.masklets.frames(object_id)[-1], parent)
            for object_id, (begin, parent) in self._rows.items()
        )

    def run(self) -> Iterator[int]:
        """Link one frame after the other; yield the number of finished frames."""
        current: dict[int, SparseMask] = {}
        for frame in range(self._labels.n_frames):
            found = dict(self._labels.objects_in(frame))
            proposed = self._propose(current, frame)
            links = decide_links(
                current,
                proposed,
                found,
                divisions=self._divisions,
                areas={i: self._largest_area(i, frame) for i in current},
            )
            missing = self._predicted(frame, proposed, found, links)
            current = {**self._take(frame, found, links), **missing}
            yield frame + 1

    def _largest_area(self, object_id: int, frame: int) -> float:
        """Return the largest area of an object in the frames before one."""
        frames = range(max(0, frame - BEFORE), frame)
        outlines = (self.masklets.outline(object_id, each) for each in frames)
        return max((outline.area for outline in outlines if outline), default=0)

    def _take(self, frame: int, found: Masks, links: Links) -> dict[int, SparseMask]:
        """Store the masks of a frame under their ids, and return them."""
        self.ids = ids = {label: object_id for object_id, label in links.same.items()}
        self.filled = {}
        parents = {label: mother for mother, pair in links.divided.items() for label in pair}
        for object_id in links.same:  # it is back: what was predicted meanwhile was right
            for gap, mask in self._missing.pop(object_id, {}).items():
                self.masklets.set(object_id, gap, mask)
                self.filled[object_id, gap] = mask
        for label in found:
            if label not in ids:
                ids[label] = self._new_id()
                self._rows[ids[label]] = (frame, parents.get(label, 0))
        current = {ids[label]: mask for label, mask in found.items()}
        for object_id, mask in current.items():
            self.masklets.set(object_id, frame, mask)
        return current

    def _predicted(self, frame: int, proposed: Masks, found: Masks, links: Links) -> Masks:
        """Return the masks of missing objects, where nothing else was found."""
        linked = links.same.keys() | links.divided.keys()
        masks = {i: mask for i, mask in proposed.items() if mask and i not in linked}
        masks = {i: m for i, m in masks.items() if len(self._missing.get(i, ())) < self._gap}
        shares, _ = covered_shares(list(masks.values()), found)
        free = is_new(shares, MOST_COVERED)
        masks = {i: mask for (i, mask), is_free in zip(masks.items(), free, strict=True) if is_free}
        self._missing = {i: self._missing.get(i, {}) | {frame: m} for i, m in masks.items()} | {
            i: frames for i, frames in self._missing.items() if i in links.same
        }
        return masks

    def _propose(self, before: Masks, frame: int) -> Masks:
        """Predict where the objects of the frame before are in a frame."""
        self._session.reset()  # of memories; image embeddings stay
        if not before:
            return {}
        for object_id, mask in before.items():
            self._session.add_prompt(object_id, frame - 1, MaskPrompt(mask))
        *_, last = self._session.propagate("forward", frames=(frame - 1, frame + 1))
        pairs = zip(last.object_ids, last.predictions, strict=True)
        return {object_id: prediction.sparse for object_id, prediction in pairs}


def decide_links(
    before: Masks,
    proposed: Masks,
    found: Masks,
    *,
    divisions: bool = True,
    areas: Mapping[int, float] | None = None,
) -> Links:
    """Decide which label of a frame is which object.

    Parameters
    ----------
    before
        The objects' masks in the frame before.
    proposed
        The network's masks of them in this frame; objects may be missing.
    found
        The labels' masks in this frame.
    divisions
        Whether an object may become two.
    areas
        The largest area of each object in the last frames, in pixels; by default that of the
        frame before.
    """
    objects, labels = list(before), list(found)
    ious = np.array(
        [[proposed[i].iou(found[j]) if i in proposed else 0 for j in labels] for i in objects],
        float,
    ).reshape(len(objects), len(labels))
    rows, columns = linear_sum_assignment(-np.where(ious >= LEAST_IOU, ious, 0))
    same = {
        objects[r]: labels[c] for r, c in zip(rows, columns, strict=True) if ious[r, c] >= LEAST_IOU
    }
    if not divisions:
        return Links(same)
    bodies = {i: Body.of(mask) for i, mask in before.items()}
    mothers = {i: body._replace(area=(areas or {}).get(i, body.area)) for i, body in bodies.items()}
    divided: dict[int, tuple[int, int]] = {}
    left = {label for label in labels if label not in same.values()}
    for _, mother, second in sorted(_divisions(mothers, found, same, left)):
        if mother in same and second in left:
            divided[mother] = (same.pop(mother), second)
            left.remove(second)
    return Links(same, divided)


def _divisions(
    mothers: Mapping[int, Body], found: Masks, same: Mapping[int, int], left: set[int]
) -> Iterator[tuple[float, int, int]]:
    """Yield each pair of a mother and a second daughter, after the distance of both daughters."""
    bodies = {label: Body.of(mask) for label, mask in found.items()}
    for mother, first in same.items():
        for second in left:
            distance = daughter_distance(mothers[mother], (bodies[first], bodies[second]))
            if distance is not None:
                yield distance, mother, second
