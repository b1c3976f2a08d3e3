"""Label images as prompts: each label on a frame is the mask of an object."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, find_objects

from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.movies.movie import Movie
from sam2_torch.prompts import BoxPrompt, MaskPrompt, PointPrompt


@dataclass(frozen=True)
class LabelPrompts:
    """The mask prompts in a label image, made one at a time: all at once need not fit.

    Every label of every labelled frame is a mask prompt, so a label movie is taken as
    corrected in all frames that have labels; frames without labels are tracked.

    Parameters
    ----------
    labels
        Integers, 0 for background: one image for frame 0, or one for each frame.
    """

    labels: Movie

    def __iter__(self) -> Iterator[ObjectPrompts]:
        for frame, labels in enumerate(self.labels):
            for object_id in np.unique(labels[labels > 0]).tolist():
                yield ObjectPrompts(int(object_id), frame, (MaskPrompt(labels == object_id),))


def prompts_from_labels(labels: Movie, movie: Movie) -> LabelPrompts:
    """Take a label image as the prompts of a movie.

    Raises
    ------
    ValueError
        If the pixels are no whole numbers, or the shapes do not fit.
    """
    if labels.dtype.kind not in "bui" or labels.is_rgb:
        kind = "RGB" if labels.is_rgb else str(labels.dtype)
        raise ValueError(f"label image: expected whole numbers, found {kind} pixels")
    if labels.frame_shape != movie.frame_shape:
        raise ValueError(
            f"label image: expected the shape of the movie's frames {movie.frame_shape}, "
            f"found {labels.frame_shape}"
        )
    if labels.n_frames not in (1, movie.n_frames):
        raise ValueError(
            f"label image: expected one frame (for frame 0) or {movie.n_frames} as in the movie, "
            f"found {labels.n_frames}"
        )
    return LabelPrompts(labels)


def clicks_from_labels(labels: NDArray[Any], frame: int = 0) -> list[ObjectPrompts]:
    """Make one click for each object of a label image, (H, W), where it is deepest."""
    said = []
    for object_id, (rows, columns) in _boxes(labels):
        mask = np.pad(labels[rows, columns] == object_id, 1)
        depth = distance_transform_edt(mask)
        y, x = np.unravel_index(depth.argmax(), depth.shape)
        place = (int(y) - 1 + rows.start, int(x) - 1 + columns.start)
        said.append(ObjectPrompts(object_id, frame, (PointPrompt([place], [1]),)))
    return said


def boxes_from_labels(labels: NDArray[Any], frame: int = 0) -> list[ObjectPrompts]:
    """Make the bounding box of each object of a label image, (H, W)."""
    # half a pixel wider: an object of one pixel has an extent, too
    return [
        ObjectPrompts(
            object_id,
            frame,
            (BoxPrompt(y.start - 0.5, x.start - 0.5, y.stop - 0.5, x.stop - 0.5),),
        )
        for object_id, (y, x) in _boxes(labels)
    ]


def _boxes(labels: NDArray[Any]) -> list[tuple[int, tuple[slice, slice]]]:
    return [
        (object_id, where)
        for object_id, where in enumerate(find_objects(labels), start=1)
        if where is not None
    ]
