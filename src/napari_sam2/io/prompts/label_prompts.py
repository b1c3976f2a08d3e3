"""Label images as prompts: each label on a frame is the mask of an object."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from napari_sam2.io.label_images import may_hold_other_ids, object_masks
from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.movies.movie import Movie
from sam2_torch.automatic.seeds import deepest_pixel
from sam2_torch.label_images import masks_of_labels
from sam2_torch.prompts import MaskPrompt, PointPrompt


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
            for object_id, mask in object_masks(labels).items():
                yield ObjectPrompts(object_id, frame, (MaskPrompt(mask),))


def prompts_from_labels(labels: Movie, movie: Movie) -> LabelPrompts:
    """Return the masks of a label image as prompts of a movie.

    Parameters
    ----------
    labels
        As `read_labels` opens it.
    movie
        What they are for.

    Raises
    ------
    ValueError
        If a pixel is no object id, or the shapes do not fit.
    """
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
    if may_hold_other_ids(labels.dtype):  # found out now, not after the network has run
        for image in labels:
            object_masks(image)
    return LabelPrompts(labels)


def clicks_from_labels(labels: NDArray[Any], frame: int = 0) -> list[ObjectPrompts]:
    """Return one click for each object of a label image, (H, W), at its deepest point.

    Parameters
    ----------
    labels
        (H, W) of whole numbers; 0 is background.
    frame
        Index of the frame that the clicks are on.
    """
    return [
        ObjectPrompts(object_id, frame, (PointPrompt([deepest_pixel(mask)], [1]),))
        for object_id, mask in masks_of_labels(labels).items()
    ]
