"""Zarr stores as data of napari image layers: levels that are read where they are shown."""

from pathlib import Path
from typing import Any

from napari_sam2.io.images.zarr_store import ZarrImage, open_image
from napari_sam2.movies.axes import guess_axes
from napari_sam2.movies.lazy_arrays import LazyArray
from napari_sam2.movies.movie import Calibration, Movie
from napari_sam2.movies.pyramid import Overview
from sam2_torch.inputs.frames import measure_contrast

WHOLE_PX = 2048  # rows or columns up to which napari may take whole frames


def zarr_layer(path: Path) -> tuple[Any, dict[str, Any], Overview | None]:
    """Describe an image layer of a store.

    Parameters
    ----------
    path
        As for `read_zarr`.

    Returns
    -------
    Its data, an array or levels of it; its other settings; and what makes the levels that the
    store lacks, None if it lacks none.

    Raises
    ------
    ValueError
        If there is no image, or its last axes are not rows and columns.
    """
    image = open_image(path)
    shape = image.levels[0].shape
    axes = image.axes or _guess(shape)
    if axes is not None and axes.endswith("S") and shape[-1] < 3:
        axes = None  # napari has no grey samples
    if axes is not None and not axes.removesuffix("S").endswith("YX"):
        raise ValueError(
            f"{path.name}: expected rows and columns as the last axes, found {axes}; "
            "open it with napari's own reader, and turn the axes there"
        )
    is_rgb = axes is not None and axes.endswith("S")
    n_axes = len(shape) - is_rgb
    overview = Overview(image.levels[-1], shape[-1] if is_rgb else 0)
    levels = [*map(LazyArray, image.levels), *overview.levels()]
    settings: dict[str, Any] = {"name": path.stem.removesuffix(".ome"), "rgb": is_rgb}
    if axes is not None:
        settings["axis_labels"] = tuple(axes[:n_axes].lower())
        settings |= _placement(axes[:n_axes], image.calibration)
        settings |= {} if is_rgb else _contrast(image, axes)
    if max(shape[n_axes - 2 : n_axes]) <= WHOLE_PX:
        return levels[0], settings, None
    settings["multiscale"] = True
    return levels, settings, overview if overview.steps else None


def _guess(shape: tuple[int, ...]) -> str | None:
    """Guess the axes of a plain array; None if it has too many axes."""
    try:
        return guess_axes(shape)
    except ValueError:
        if len(shape) < 2:
            raise
        return None


def _placement(axes: str, known: Calibration) -> dict[str, Any]:
    """Return scale, translation and units of a layer."""
    found = [known.axis(letter) for letter in axes]
    return {
        "scale": tuple(axis.step or 1.0 for axis in found),
        "translate": tuple(axis.origin for axis in found),
        "units": tuple(axis.unit or "pixel" for axis in found),
    }


def _contrast(image: ZarrImage, axes: str) -> dict[str, Any]:
    """Return contrast limits from patches of some frames; napari would take those of one frame."""
    try:
        low, high = measure_contrast(Movie(image.levels[0], axes, levels=image.levels[1:]))
    except ValueError:  # no finite number: reported where it is used
        return {}
    return {"contrast_limits": (low, high)} if low < high else {}
