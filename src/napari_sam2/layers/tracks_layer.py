"""Lineage -> Tracks layer: where each object's mask went, and who descends from whom."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.layers.viewer.camera import camera_of
from napari_sam2.layers.viewer.image_geometry import FrameGeometry, keep_on, placement
from napari_sam2.tracks.lineage import Lineage
from napari_sam2.tracks.measurements import Table

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Tracks

TAIL_FRAMES = 300
LEAST_FRAMES = 2  # a track of one place is nothing to draw
FADED, WHITENED = 0.35, 0.5
"""How much colour the tracks beside a highlighted one keep; how much white that one gets."""

REACH_PX, STILL_PX = 10, 4
"""On the screen: how far a click may be from a track; how far it may go and be no drag."""


class TracksLayer:
    """The Tracks layer of one image's objects.

    Parameters
    ----------
    viewer
        Where the layer appears.
    image, geometry
        The image and its axes; the layer lies where it lies.
    on_click
        Called with the id of an object whose track was clicked on.
    """

    def __init__(
        self,
        viewer: "ViewerModel",
        image: "Image",
        geometry: FrameGeometry,
        on_click: Callable[[int], None],
    ) -> None:
        self._viewer = viewer
        self._image = image
        self._geometry = geometry
        self._on_click = on_click
        self._layer: Tracks | None = None
        self._colours = np.zeros((0, 4))  # as napari makes them, without a highlight
        self._highlighted = 0

    @property
    def layer(self) -> "Tracks | None":
        """The layer, as long as it is in the viewer."""
        return self._layer if self._layer in self._viewer.layers else None

    def show(self, objects: Table, places_yx: NDArray[np.floating], lineage: Lineage) -> None:
        """Draw the tracks as they are now.

        Parameters
        ----------
        objects
            One row for each object and frame, with the columns `object` and `frame`; all
            columns of numbers become the layer's features.
        places_yx
            (N, 2) row and column of each, in pixels of the image.
        lineage
            Who descends from whom.
        """
        data, rows = track_data(objects, places_yx, self._geometry)
        if not len(data):
            self.remove()
            return
        features = {
            name: column.to_numpy()[rows]
            for name, column in objects.items()
            if column.dtype.kind in "iuf"
        }
        graph = track_graph(lineage, set(data[:, 0].astype(int).tolist()))
        if self.layer is None:
            self._add(data, features, graph)
            return
        with self.layer.events.color_by.blocker(self._recoloured):
            _replace(self.layer, data, features, graph)
        self._recoloured()

    def highlight(self, object_id: int) -> None:
        """Draw an object's track brighter than the others; all alike if it has none."""
        if object_id != self._highlighted:
            self._highlighted = object_id
            self._draw_highlight()

    def remove(self) -> None:
        """Take the layer out of the viewer."""
        if self.layer is not None:
            self._viewer.layers.remove(self.layer)
        self._layer = None

    def _add(
        self, data: NDArray[Any], features: dict[str, NDArray[Any]], graph: dict[int, list[int]]
    ) -> None:
        from napari.layers import Tracks

        layer = Tracks(
            data,
            features=features,
            graph=graph,
            name=f"{self._image.name} tracks",
            tail_length=min(TAIL_FRAMES, self._geometry.n_frames),
            tail_width=3,
            **placement(self._image),
        )
        keep_on(self._image, layer)
        layer.mouse_drag_callbacks.append(self._clicked)
        active = self._viewer.layers.selection.active
        self._viewer.add_layer(layer)
        if active is not None:  # the user goes on where they were
            self._viewer.layers.selection.active = active
        self._layer = layer
        for event in (layer.events.color_by, layer.events.colormap):
            event.connect(self._recoloured)
        self._recoloured()

    def _recoloured(self, event: Any = None) -> None:
        """Take the colours that napari gave the tracks, and put the highlight on them."""
        if self.layer is not None and self.layer.track_colors is not None:
            self._colours = self.layer.track_colors
            self._draw_highlight()

    def _draw_highlight(self) -> None:
        layer = self.layer
        if layer is None:
            return
        own = layer.data[:, 0] == self._highlighted
        with layer.events.color_by.blocker(self._recoloured):
            layer.track_colors = highlighted(self._colours, own)

    def _clicked(self, layer: "Tracks", event: Any) -> Iterator[None]:
        """Tell whose track was clicked on; the mouse may drag the view along as ever."""
        pressed, is_drag = np.array(event.pos), False
        yield
        while event.type == "mouse_move":
            is_drag |= bool(np.linalg.norm(event.pos - pressed) > STILL_PX)
            yield
        reach = REACH_PX / float(camera_of(self._viewer).zoom)
        axis = self._geometry.frame_axis or 0
        object_id = None if is_drag else track_at(layer, event.position, reach, axis)
        if object_id is not None:
            self._on_click(object_id)


def track_at(layer: "Tracks", position: Sequence[float], reach: float, axis: int) -> int | None:
    """Return the object whose track is drawn at a place.

    Parameters
    ----------
    layer
        Of tracks whose last two axes are rows and columns.
    position
        In world coordinates.
    reach
        How far from it the track may be, in world coordinates.
    axis
        Of time.
    """
    data, place = layer.data, np.asarray(layer.world_to_data(position))
    since = data[:, 1 + axis] - place[axis]
    drawn = (since >= -layer.tail_length) & (since <= layer.head_length)
    begins = np.flatnonzero((data[1:, 0] == data[:-1, 0]) & drawn[1:] & drawn[:-1])
    if not begins.size:
        return None
    scale = np.abs(layer.scale[-2:])
    start = (data[begins, -2:] - place[-2:]) * scale
    way = (data[begins + 1, -2:] - data[begins, -2:]) * scale
    length = np.maximum((way**2).sum(axis=1), np.finfo(float).tiny)
    share = np.clip(-(start * way).sum(axis=1) / length, 0, 1)
    far = np.linalg.norm(start + share[:, None] * way, axis=1)
    nearest = int(far.argmin())
    return int(data[begins[nearest], 0]) if far[nearest] <= reach else None


def highlighted(colours: NDArray[Any], own: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fade all colours, (N, 4) RGBA from 0 to 1, but for those of one track, which get lighter.

    Where no colour is of that track, all stay as they are.
    """
    shown = np.array(colours, np.float32)
    if own.any():
        shown[~own, :3] *= FADED
        shown[own, :3] += WHITENED * (1 - shown[own, :3])
    return shown


def track_data(
    objects: Table, places_yx: NDArray[np.floating], geometry: FrameGeometry
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Compute the data of a Tracks layer, (N, 1 + D), and the rows of the table they come from.

    Objects of one frame only are left out. Of a movie of stacks, an object is at the mean of
    its places in each time point.
    """
    if objects.empty:
        return np.zeros((0, 3)), np.zeros(0, np.intp)
    ordered = objects.sort_values(["object", "frame"])
    kept = ordered[ordered.groupby("object")["frame"].transform("size") >= LEAST_FRAMES]
    rows = kept.index.to_numpy()
    leading = np.array([geometry.index(frame) for frame in kept["frame"].tolist()], float)
    leading = leading.reshape(len(rows), len(geometry.shape) - 2)
    data = np.column_stack([kept["object"], leading, places_yx[rows]])
    return (data, rows) if geometry.plane_axis is None else _centres(data, rows, geometry)


def _centres(
    data: NDArray[np.float64], rows: NDArray[np.intp], geometry: FrameGeometry
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Combine the planes of each object and time point."""
    keys = data[:, [0, 1 + (geometry.frame_axis or 0)]]
    _, firsts, groups, counts = np.unique(
        keys, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    sums = np.zeros((len(firsts), data.shape[1]))
    np.add.at(sums, groups.ravel(), data)
    return sums / counts[:, None], rows[firsts]


def track_graph(lineage: Lineage, drawn: set[int]) -> dict[int, list[int]]:
    """List each daughter's mother, of those that are drawn."""
    return {
        daughter: [mother]
        for daughter, mother in lineage.parents.items()
        if daughter in drawn and mother in drawn
    }


def _replace(
    layer: "Tracks",
    data: NDArray[Any],
    features: dict[str, NDArray[Any]],
    graph: dict[int, list[int]],
) -> None:
    """Give a layer other tracks; what they are coloured by stays."""
    colour_by = layer.color_by
    layer.color_by = "track_id"  # the one feature that new data have from the start
    layer.graph = {}  # that of before may name tracks that are gone
    layer.data = data
    layer.features = features
    layer.graph = graph
    if colour_by in layer.features:
        layer.color_by = colour_by
