"""Tracks from a label movie without identities: the network proposes, an assignment decides."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_sam2.io.tracks.writer import Progress, silent
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.movie import Movie
from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.masks import SparseMask
from sam2_torch.prompts import MaskPrompt

if TYPE_CHECKING:
    from sam2_torch import SAM2, VideoSession

Masks: TypeAlias = Mapping[int, SparseMask]
"""Masks of one frame by object id or label."""

LEAST_IOU = 0.15
"""A proposal and a label that share less are not the same object."""

DAUGHTERS_ALIKE = 0.5
"""Area of the smaller daughter, of the larger one, at least."""

DAUGHTERS_TOGETHER = (0.5, 2.2)
"""Area of both daughters, of their mother's: at least and at most."""

DAUGHTER_REACH, MIDDLE_REACH = 1.5, 0.4
"""How far a daughter, and the middle of both, may be from the mother, in her diameters."""


@dataclass(frozen=True)
class Links:
    """What one frame's objects are in the next frame.

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
    """Give the objects of a label movie identities through time.

    Each frame's masks are shown to the network, which says where they are in the next frame;
    the labels there that fit best, all taken together, are the same objects. The masks stay
    as they are.

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
    The same masks with new ids from 1 on, and who descends from whom.

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
    return Tracked.of(movie, linking.masklets, linking.lineage)


def check_labels(labels: Tracked, shape: tuple[int, int, int], n_planes: int = 1) -> None:
    """Make sure that labels can be linked on a movie of a shape, (T, H, W).

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
    """Links the labels of a movie, frame by frame.

    Parameters
    ----------
    session
        Of the movie, and of this alone: it is emptied for each frame.
    labels, divisions
        As of `link_labels`.

    Attributes
    ----------
    masklets
        The masks with their new ids, as far as it came.
    """

    def __init__(self, session: "VideoSession", labels: Tracked, *, divisions: bool = True) -> None:
        self.masklets = Masklets(labels.n_frames, labels.masklets.frame_shape)
        self._session = session
        self._labels = labels
        self._divisions = divisions
        self._unused = count(1)
        self._rows: dict[int, tuple[int, int]] = {}  # begin and parent

    @property
    def lineage(self) -> Lineage:
        """Who descends from whom, of all objects that there are so far."""
        return Lineage(
            Track(object_id, begin, self.masklets.frames(object_id)[-1], parent)
            for object_id, (begin, parent) in self._rows.items()
        )

    def run(self) -> Iterator[int]:
        """Link one frame after the other; yields how many are done."""
        current: dict[int, SparseMask] = {}
        for frame in range(self._labels.n_frames):
            found = dict(self._labels.objects_in(frame))
            proposed = self._propose(current, frame)
            links = decide_links(current, proposed, found, divisions=self._divisions)
            current = self._take(frame, found, links)
            yield frame + 1

    def _take(self, frame: int, found: Masks, links: Links) -> dict[int, SparseMask]:
        """Keep the masks of a frame under their ids."""
        ids = {label: object_id for object_id, label in links.same.items()}
        parents = {label: mother for mother, pair in links.divided.items() for label in pair}
        for label in found:
            if label not in ids:
                ids[label] = next(self._unused)
                self._rows[ids[label]] = (frame, parents.get(label, 0))
        current = {ids[label]: mask for label, mask in found.items()}
        for object_id, mask in current.items():
            self.masklets.set(object_id, frame, mask)
        return current

    def _propose(self, before: Masks, frame: int) -> Masks:
        """Ask the network where the objects of the frame before are in a frame."""
        self._session.reset()  # of memories; image embeddings stay
        if not before:
            return {}
        for object_id, mask in before.items():
            self._session.add_prompt(object_id, frame - 1, MaskPrompt(mask))
        *_, last = self._session.propagate("forward", frames=(frame - 1, frame + 1))
        pairs = zip(last.object_ids, last.predictions, strict=True)
        return {object_id: prediction.sparse for object_id, prediction in pairs}


def decide_links(before: Masks, proposed: Masks, found: Masks, *, divisions: bool = True) -> Links:
    """Decide which label is which object.

    Parameters
    ----------
    before
        The objects' masks in the frame before.
    proposed
        Where they are thought to be now.
    found
        The labels' masks now.
    divisions
        Whether an object may become two.
    """
    objects, labels = list(before), list(found)
    ious = np.array(
        [[_iou(proposed.get(i), found[j]) for j in labels] for i in objects], float
    ).reshape(len(objects), len(labels))
    rows, columns = linear_sum_assignment(-np.where(ious >= LEAST_IOU, ious, 0))
    same = {
        objects[r]: labels[c] for r, c in zip(rows, columns, strict=True) if ious[r, c] >= LEAST_IOU
    }
    if not divisions:
        return Links(same)
    divided: dict[int, tuple[int, int]] = {}
    left = {label for label in labels if label not in same.values()}
    for _, mother, second in sorted(_divisions(before, found, same, left)):
        if mother in same and second in left:
            divided[mother] = (same.pop(mother), second)
            left.remove(second)
    return Links(same, divided)


def _divisions(
    before: Masks, found: Masks, same: Mapping[int, int], left: set[int]
) -> Iterator[tuple[float, int, int]]:
    """List how far the middle of two daughters would be from each mother, and the second one."""
    places = {label: _centroid(mask) for label, mask in found.items()}
    for mother, first in same.items():
        centre, diameter = _centroid(before[mother]), 2 * np.sqrt(before[mother].area / np.pi)
        for second in left:
            if np.linalg.norm(places[second] - centre) > DAUGHTER_REACH * diameter:
                continue
            sizes = np.array([found[first].area, found[second].area])
            middle = np.average([places[first], places[second]], axis=0, weights=sizes)
            off = float(np.linalg.norm(middle - centre) / diameter)
            if off <= MIDDLE_REACH and _are_daughters(before[mother].area, sizes):
                yield off, mother, second


def _are_daughters(mother: int, sizes: NDArray[np.integer]) -> bool:
    least, most = DAUGHTERS_TOGETHER
    alike = sizes.min() >= DAUGHTERS_ALIKE * sizes.max()
    return bool(alike and least <= sizes.sum() / mother <= most)


def _centroid(mask: SparseMask) -> NDArray[np.float64]:
    return np.argwhere(mask.window()).mean(axis=0) + mask.origin_yx


def _overlap(one: SparseMask, other: SparseMask) -> int:
    """Count the pixels that two masks share."""
    windows: list[NDArray[np.bool_]] = []
    top, left = np.maximum(one.origin_yx, other.origin_yx)
    ends = np.minimum(
        np.add(one.origin_yx, one.extent_yx), np.add(other.origin_yx, other.extent_yx)
    )
    if top >= ends[0] or left >= ends[1]:
        return 0
    for mask in (one, other):
        y, x = mask.origin_yx
        windows.append(mask.window()[top - y : ends[0] - y, left - x : ends[1] - x])
    return int((windows[0] & windows[1]).sum())


def _iou(one: SparseMask | None, other: SparseMask) -> float:
    if not one:
        return 0.0
    shared = _overlap(one, other)
    return shared / (one.area + other.area - shared)
