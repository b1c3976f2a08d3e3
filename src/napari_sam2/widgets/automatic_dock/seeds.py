"""Where "Segment everything" asks the network: what was chosen, as seeds of a frame."""

from functools import partial
from typing import Any

import numpy as np
from napari.layers import Points

from napari_sam2.layers.prompt_layers.seed_layers import labels_of_frame, point_seeds
from napari_sam2.layers.workspace import Workspace
from napari_sam2.widgets.automatic_dock.jobs import Seeds
from napari_sam2.widgets.automatic_dock.sections import (
    AUTOMATIC,
    BRIGHT_BLOBS,
    DARK_BLOBS,
    DECODER,
    GRID,
    ObjectsWanted,
)

BLOB_DIAMETERS = (6.0, 40.0)  # pixels, where no diameters are given


def seeds_of(wanted: ObjectsWanted, workspace: Workspace, frame: int) -> Seeds:
    """Read layers now, and decide what makes the seeds of a frame on the worker's thread.

    Raises
    ------
    ValueError
        If the layer of points or labels does not fit the image.
    """
    choice = wanted.form.find_by.value
    if choice in (AUTOMATIC, DECODER, GRID, None):
        return None
    if choice in (BRIGHT_BLOBS, DARK_BLOBS):
        return partial(_blobs, _diameters(wanted, workspace), choice == DARK_BLOBS)
    if isinstance(choice, Points):
        points = point_seeds(choice, workspace.image, workspace.geometry, frame)
        return lambda pixels: points
    labels = labels_of_frame(choice, workspace.geometry, frame)
    return partial(_label_seeds, labels)


def _diameters(wanted: ObjectsWanted, workspace: Workspace) -> tuple[float, float]:
    """Read the range of diameters in pixels."""
    pixel = float(np.sqrt(np.prod(workspace.image.scale[-2:])))
    smallest = wanted.form.smallest.value / pixel or BLOB_DIAMETERS[0]
    return smallest, wanted.form.largest.value / pixel or max(BLOB_DIAMETERS[1], smallest)


def _blobs(diameters: tuple[float, float], dark: bool, pixels: Any) -> Any:
    from sam2_torch.automatic import blob_seeds

    return blob_seeds(pixels, *diameters, dark=dark)


def _label_seeds(labels: Any, pixels: Any) -> Any:
    from sam2_torch.automatic import label_seeds

    return label_seeds(labels)
