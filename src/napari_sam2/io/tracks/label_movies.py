"""Label images as masks: what other programs have segmented, to be corrected or linked."""

from typing import Any

from numpy.typing import NDArray

from napari_sam2.io.label_images import object_masks
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.movie import Movie
from napari_sam2.tracks.tracked_movie import Tracked


def add_labels(masklets: Masklets, frame: int, labels: NDArray[Any]) -> None:
    """Add each label of an image as an object's mask on a frame.

    Parameters
    ----------
    masklets
        Where the masks are kept.
    frame
        Index of the frame.
    labels
        (H, W) of whole numbers; 0 is background.

    Raises
    ------
    ValueError
        If the image is of another shape, or a pixel is no object id.
    """
    if labels.shape != masklets.frame_shape:
        raise ValueError(
            f"label image of frame {frame}: expected the shape {masklets.frame_shape}, "
            f"found {labels.shape}"
        )
    for object_id, mask in object_masks(labels).items():
        masklets.set(object_id, frame, mask)


def tracked_labels(labels: Movie) -> Tracked:
    """Return the objects of a label movie: the same label is the same object.

    Parameters
    ----------
    labels
        As `read_labels` opens it.

    Raises
    ------
    ValueError
        If a pixel is no object id.
    """
    masklets = Masklets(labels.n_frames, labels.frame_shape)
    for frame, image in enumerate(labels):
        add_labels(masklets, frame, image)
    layout = labels.layout
    return Tracked(
        masklets,
        axes=layout.label_axes,
        calibration=labels.calibration,
        n_planes=layout.n_planes,
    )
