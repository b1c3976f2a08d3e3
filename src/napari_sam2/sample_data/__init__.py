"""Microscopy to try things on: synthetic nuclei over time and in depth, and a real time-lapse.

What is synthetic is drawn from a seed, so a sample and its true labels are the same everywhere.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.sample_data import stack, time_lapse

__all__ = [
    "coming_and_going_nuclei_with_truth",
    "dividing_nuclei",
    "dividing_nuclei_with_truth",
    "embryo_nuclei",
    "embryo_nuclei_with_truth",
    "sample_dividing_nuclei",
    "sample_embryo_nuclei",
    "sample_protein_transport",
]

LayerData = tuple[NDArray[Any], dict[str, Any], str]

TIME_LAPSE_PIXEL_UM = time_lapse.PIXEL_UM
TIME_LAPSE_INTERVAL_S = time_lapse.INTERVAL_S
STACK_VOXEL_ZYX_UM = stack.VOXEL_ZYX_UM


def dividing_nuclei_with_truth(seed: int = 3) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return a synthetic fluorescence time-lapse of nuclei, two of them dividing, and its labels.

    Parameters
    ----------
    seed
        Of the random numbers.

    Returns
    -------
    movie
        (T, Y, X) uint16, 24 frames of 192 x 256.
    labels
        (T, Y, X) uint16, the same id for the same nucleus; daughters have new ids.
    """
    return time_lapse.make(seed)


def coming_and_going_nuclei_with_truth(
    seed: int,
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return a time-lapse as `dividing_nuclei_with_truth` in which some also leave, come and die.

    Two nuclei divide, two leave over the border, two die (they shrink and fade), and two come in
    over the border.

    Parameters
    ----------
    seed
        Of the random numbers.

    Returns
    -------
    movie, labels
        As of `dividing_nuclei_with_truth`; what is seen of a nucleus at the border with fewer
        than 30 pixels is not labelled.
    """
    return time_lapse.make(seed, with_fates=True)


def embryo_nuclei_with_truth(seed: int = 1) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return a confocal stack of an early embryo's nuclei, dimmer with depth, and its labels.

    Parameters
    ----------
    seed
        Of the random numbers.

    Returns
    -------
    stack
        (Z, Y, X) uint16, 24 planes of 160 x 224.
    labels
        (Z, Y, X) uint16, the same id for the same nucleus in all planes.
    """
    return stack.make(seed)


def dividing_nuclei(seed: int = 3) -> NDArray[np.uint16]:
    """Return the movie of `dividing_nuclei_with_truth` alone, (T, Y, X) uint16.

    Parameters
    ----------
    seed
        Of the random numbers.
    """
    return time_lapse.make(seed)[0]


def embryo_nuclei(seed: int = 1) -> NDArray[np.uint16]:
    """Return the stack of `embryo_nuclei_with_truth` alone, (Z, Y, X) uint16.

    Parameters
    ----------
    seed
        Of the random numbers.
    """
    return stack.make(seed)[0]


def sample_dividing_nuclei() -> list[LayerData]:
    """Return the dividing nuclei as layer data for napari."""
    settings = {
        "name": "dividing nuclei",
        "scale": (1.0, TIME_LAPSE_PIXEL_UM, TIME_LAPSE_PIXEL_UM),
        "units": ("pixel", "um", "um"),
        "axis_labels": ("t", "y", "x"),
        "metadata": {"time_interval_s": TIME_LAPSE_INTERVAL_S},
    }
    return [(dividing_nuclei(), settings, "image")]


def sample_embryo_nuclei() -> list[LayerData]:
    """Return the embryo's nuclei as layer data for napari."""
    settings = {
        "name": "embryo nuclei",
        "scale": STACK_VOXEL_ZYX_UM,
        "units": ("um", "um", "um"),
        "axis_labels": ("z", "y", "x"),
        "metadata": {},
    }
    return [(embryo_nuclei(), settings, "image")]


def sample_protein_transport() -> list[LayerData]:
    """Return a real time-lapse as layer data for napari, fetched by scikit-image when first used.

    One nucleus in 15 frames of 180 x 183 pixels and two channels, a layer for each.

    Raises
    ------
    ConnectionError
        If it was never fetched and cannot be reached.
    """
    from skimage.data import protein_transport

    try:
        channels = np.moveaxis(protein_transport(), 1, 0)  # type: ignore[no-untyped-call]
    except (ImportError, OSError) as error:  # without pooch; offline
        raise ConnectionError(
            "protein transport: expected this sample on disk or at gitlab.com/scikit-image, found "
            f"neither ({type(error).__name__}); go online, or open a synthetic sample"
        ) from error
    return [
        (pixels, {"name": f"protein transport {i}", "axis_labels": ("t", "y", "x")}, "image")
        for i, pixels in enumerate(channels)
    ]
