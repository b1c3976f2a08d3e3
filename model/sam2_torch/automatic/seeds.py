"""Places to click at without a user: a grid, the middle of labels, blobs."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam2_torch.label_images import masks_of_labels
from sam2_torch.masks import SparseMask

SCALES = 8  # of the blob detector
BLOB_CONTRAST = 0.02  # of an image from 0 to 1


def grid_seeds(shape: tuple[int, int], per_side: int) -> NDArray[np.float32]:
    """Return points spread evenly over an image.

    Parameters
    ----------
    shape
        (H, W) in pixels.
    per_side
        Points along each side.

    Returns
    -------
    (per_side ** 2, 2) rows and columns in pixels.

    Notes
    -----
    Reference: `build_point_grid`.
    """
    places = (np.arange(per_side) + 0.5) / per_side
    y, x = np.meshgrid(places * shape[0], places * shape[1], indexing="ij")
    return np.stack([y.ravel(), x.ravel()], axis=1).astype(np.float32)


def label_seeds(labels: ArrayLike) -> NDArray[np.float32]:
    """Return the deepest pixel of each label.

    Parameters
    ----------
    labels
        (H, W) of whole numbers; 0 is background.

    Returns
    -------
    (N, 2) rows and columns in pixels, by ascending label.

    Raises
    ------
    ValueError
        As for `masks_of_labels`.
    """
    seeds = [deepest_pixel(mask) for mask in masks_of_labels(labels).values()]
    return np.array(seeds, np.float32).reshape(-1, 2)


def deepest_pixel(mask: SparseMask) -> tuple[int, int]:
    """Return row and column of the pixel of a mask that is farthest from its outline."""
    from scipy.ndimage import distance_transform_edt

    region = np.pad(mask.window(), 1)  # what touches the window's border ends there
    depth = distance_transform_edt(region)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(y) + mask.origin_yx[0], int(x) + mask.origin_yx[1]


def blob_seeds(
    image: Any, min_diameter: float, max_diameter: float, *, dark: bool = False
) -> NDArray[np.float32]:
    """Return the centres of round bright (or dark) objects by their size, most distinct first.

    Parameters
    ----------
    image
        (H, W) or (H, W, 3).
    min_diameter, max_diameter
        In pixels.
    dark
        Whether the objects are darker than the background.

    Returns
    -------
    (N, 2) rows and columns in pixels.

    Raises
    ------
    ValueError
        If the range of diameters is empty.

    Notes
    -----
    Maxima of the Laplacian of Gaussian over space and scale (`skimage.feature.blob_log`).
    """
    from skimage.feature import blob_log

    if not 0 < min_diameter <= max_diameter:
        raise ValueError(
            f"diameter: expected a positive range, found {min_diameter:g} to {max_diameter:g}"
        )
    grey = to_grey(image)
    low, high = np.percentile(grey, (0.1, 99.9))
    grey = np.clip((grey - low) / max(high - low, 1e-12), 0, 1)
    sigmas = np.array([min_diameter, max_diameter]) / (2 * np.sqrt(2))
    found = blob_log(  # type: ignore[no-untyped-call]
        1 - grey if dark else grey,
        min_sigma=sigmas[0],
        max_sigma=max(sigmas[1], sigmas[0] + 1e-3),
        num_sigma=SCALES,
        threshold=BLOB_CONTRAST,
        overlap=0.5,
    )
    return np.asarray(found[:, :2], np.float32)


def to_grey(image: Any) -> NDArray[np.float32]:
    """Convert (H, W) or (H, W, 3) pixels to grey float32; values that are not finite become 0."""
    pixels = np.asarray(image, np.float32)
    grey = pixels.mean(-1) if pixels.ndim == 3 else pixels
    return np.nan_to_num(grey, nan=0.0, posinf=0.0, neginf=0.0)
