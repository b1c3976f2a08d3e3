"""Zarr stores dropped into napari: shown tile by tile, however large their frames are."""

from collections.abc import Sequence
from pathlib import Path

import napari
from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_sam2.io.images.napari_reader import LayerData, Reader, shown_warnings
from napari_sam2.io.images.zarr_layer import zarr_layer
from napari_sam2.io.images.zarr_store import is_zarr
from napari_sam2.movies.pyramid import Overview, overview_of


class Refresher(QObject):
    """Has layers drawn anew when there is more of their overview to be seen.

    Parameters
    ----------
    overview
        What they show.
    """

    _changed = Signal()

    def __init__(self, overview: Overview) -> None:
        super().__init__()
        self._overview = overview
        self._changed.connect(self._refresh)  # from the thread of the tiles to that of the GUI
        overview.changed = self.notify

    def notify(self) -> None:
        """Say, from any thread, that there is more to be seen."""
        self._changed.emit()

    def _refresh(self) -> None:
        viewer = napari.current_viewer()
        for layer in [] if viewer is None else viewer.layers:
            if isinstance(layer, Image) and overview_of(layer.data) is self._overview:
                if layer.ndim == 2 and self._overview.is_idle:
                    layer.data = layer.data  # napari keeps the thumbnail of a single image
                layer.refresh(extent=False, highlight=False)


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Give napari a reader for Zarr stores; None for all else."""
    paths = [path] if isinstance(path, str) else list(path)
    return read_layers if paths and all(is_zarr(Path(p)) for p in paths) else None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Open Zarr stores as image layers.

    Raises
    ------
    ValueError
        If there is no image in one.
    """
    with shown_warnings():
        return [_layer(Path(p)) for p in ([path] if isinstance(path, str) else path)]


def _layer(path: Path) -> LayerData:
    data, settings, overview = zarr_layer(path)
    if overview is not None:
        Refresher(overview)  # which holds on to it
    return data, settings, "image"
