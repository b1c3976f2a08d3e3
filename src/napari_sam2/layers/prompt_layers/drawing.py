"""The Points and the Shapes layer that a user draws prompts in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.annotation.drawn_prompts import DrawnPrompts, ObjectFrame
from napari_sam2.layers.prompt_layers.points_and_shapes import (
    click_looks,
    draw_clicks,
    draw_shapes,
    make_points_layer,
    make_shapes_layer,
    match_features,
    read_prompts,
    remove_items,
    resize_points,
    stray_points,
    stray_shapes,
    style_points,
    tag_points,
    tag_shapes,
)
from napari_sam2.layers.viewer.camera import camera_of
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from napari_sam2.masks.masklets import Masklets

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Points, Shapes

_PAST = ("added", "changed", "removed")
_DRAWING = "add_"  # how the modes of tools that draw begin
MIN_DRAWN_PX = 4  # on the screen, on the longer side


@dataclass(frozen=True)
class DrawingHooks:
    """What the layers of prompts ask and tell.

    Parameters
    ----------
    owner_of_next
        Called for each new mark with whether it is a box; says whose it is, and its label.
    changed
        Called when the user added, changed or removed something, with which of these it was.
    bind
        Called with each new layer, to bind keys to it; and with False as second argument when
        it is let go of.
    hidden
        Called when the user draws in a layer that is not visible.
    """

    owner_of_next: Callable[[bool], tuple[int, int]]
    changed: Callable[[str], None]
    bind: "Callable[[Points | Shapes, bool], None]"
    hidden: Callable[[], None]


class Drawing:
    """The two layers of one image's prompts; each is made when it is first needed.

    Parameters
    ----------
    viewer, image, geometry
        The image in its viewer, and its axes.
    masklets
        The masks, which clicks must not cover.
    hooks
        What the layers ask and tell.
    """

    def __init__(
        self,
        viewer: "ViewerModel",
        image: "Image",
        geometry: FrameGeometry,
        masklets: Masklets,
        hooks: DrawingHooks,
    ) -> None:
        self.points: Points | None = None
        self.shapes: Shapes | None = None
        self._viewer = viewer
        self._image = image
        # how many there are: what napari says of those added is true of the last one alone
        self._n_points = self._n_shapes = 0
        self._has_warned = False  # that the layer of the last click is hidden
        self._has_mask: tuple[bool, ...] = ()  # whether each click's mask is there
        self._is_by_hand = False  # the next shape is drawn with the mouse
        self._geometry = geometry
        self._masklets = masklets
        self._hooks = hooks
        self._camera = camera_of(viewer)
        self._camera.events.zoom.connect(self.fit_points)
        viewer.layers.events.removed.connect(self._layer_removed)
        viewer.mouse_drag_callbacks.append(self._pressed)

    def with_points(self) -> "Points":
        """Return the Points layer; it is made if it is missing."""
        if self.points is None:
            self.points = make_points_layer(self._image, f"{self._image.name} clicks")
            self.points.events.data.connect(self._points_changed)
            self.points.events.scale.connect(self.fit_points)
            self._hooks.bind(self.points, True)
            self.fit_points()
            self._add(self.points)
        return self.points

    def with_shapes(self) -> "Shapes":
        """Return the Shapes layer; it is made if it is missing."""
        if self.shapes is None:
            self.shapes = make_shapes_layer(self._image, f"{self._image.name} boxes")
            self.shapes.events.data.connect(self._shapes_changed)
            self.shapes.mouse_drag_callbacks.append(self._shapes_pressed)
            self._hooks.bind(self.shapes, True)
            self._add(self.shapes)
        return self.shapes

    def read(self) -> dict[ObjectFrame, DrawnPrompts]:
        """Read all that is drawn."""
        return read_prompts(self._image, self._geometry, self.points, self.shapes)

    def write(self, prompts: Mapping[ObjectFrame, DrawnPrompts]) -> None:
        """Draw exactly this of these objects in these frames; what else there is stays."""
        now = self.read()
        clicks = {
            key: new
            for key, new in prompts.items()
            if now.get(key, DrawnPrompts()).clicks != new.clicks
        }
        shapes = {
            key: new
            for key, new in prompts.items()
            if _shapes_of(now.get(key, DrawnPrompts())) != _shapes_of(new)
        }
        if any(new.clicks for new in clicks.values()):
            self.with_points()
        if any(any(_shapes_of(new)) for new in shapes.values()):
            self.with_shapes()
        if clicks and self.points is not None:
            with self.points.events.data.blocker(self._points_changed):
                draw_clicks(self._image, self._geometry, self.points, clicks)
                self._n_points = len(self.points.data)
                self._style_points()
        if shapes and self.shapes is not None:
            with self.shapes.events.data.blocker(self._shapes_changed):
                self._drop_unfinished(self.shapes)
                draw_shapes(self._image, self._geometry, self.shapes, shapes)
                self._n_shapes = len(self.shapes.data)

    def remove_strays(self) -> bool:
        """Remove points and shapes that are no prompt, because of where or what they are.

        Returns
        -------
        Whether there were any.
        """
        found = False
        if self.points is not None:
            points = stray_points(self._image, self._geometry, self.points)
            with self.points.events.data.blocker(self._points_changed):
                remove_items(self.points, points)
            self._n_points, found = len(self.points.data), bool(points)
        if self.shapes is not None:
            shapes = stray_shapes(self._image, self._geometry, self.shapes)
            with self.shapes.events.data.blocker(self._shapes_changed):
                remove_items(self.shapes, shapes)
            self._n_shapes, found = len(self.shapes.data), found or bool(shapes)
        return found

    def remove_layers(self) -> None:
        """Take both layers out of the viewer."""
        for layer in (self.points, self.shapes):
            if layer is not None:
                self._viewer.layers.remove(layer)

    def close(self) -> None:
        """Let go of the viewer; the layers stay."""
        self._viewer.layers.events.removed.disconnect(self._layer_removed)
        if self._pressed in self._viewer.mouse_drag_callbacks:  # not the second time
            self._viewer.mouse_drag_callbacks.remove(self._pressed)
        self._camera.events.zoom.disconnect(self.fit_points)
        self._release_points()
        self._release_shapes()

    def _add(self, layer: "Points | Shapes") -> None:
        active = self._viewer.layers.selection.active
        self._viewer.add_layer(layer)
        if active is not None:
            self._viewer.layers.selection.active = active

    def fit_points(self, event: Any = None) -> None:
        """Draw clicks as large as the masks that they belong to leave room for."""
        if self.points is None:
            return
        looks = click_looks(
            self._image, self._geometry, self.points, self._masklets, self._camera.zoom
        )
        resize_points(self.points, looks)
        if looks.has_mask != self._has_mask:
            self._has_mask = looks.has_mask
            style_points(self.points, looks.has_mask)

    def _style_points(self) -> None:
        self._has_mask = ()
        self.fit_points()

    def _pressed(self, viewer: "ViewerModel", event: Any) -> None:
        layer = viewer.layers.selection.active
        is_ours = layer is not None and layer in (self.points, self.shapes)
        is_hidden = is_ours and not layer.visible
        if is_hidden and not self._has_warned:
            self._hooks.hidden()
        self._has_warned = is_hidden

    def _points_changed(self, event: Any) -> None:
        if self.points is None or event.action not in _PAST:
            return
        before, self._n_points = self._n_points, len(self.points.data)
        if event.action == "added":
            tag_points(
                self.points, range(before, self._n_points), *self._hooks.owner_of_next(False)
            )
        self._hooks.changed(event.action)  # first: the network works while the points are drawn
        self._style_points()

    def _shapes_pressed(self, shapes: "Shapes", event: Any) -> None:
        self._is_by_hand = str(shapes.mode).startswith(_DRAWING)

    def _take_back_speck(self, shapes: "Shapes") -> bool:
        """Remove what napari draws at a click without a drag; returns whether it was that."""
        by_hand, self._is_by_hand = self._is_by_hand, False
        corners = np.asarray(shapes.data[-1]) * shapes.scale
        if not by_hand or np.ptp(corners, axis=0).max() * self._camera.zoom >= MIN_DRAWN_PX:
            return False
        with shapes.events.data.blocker(self._shapes_changed):
            shapes.selected_data = {len(shapes.data) - 1}
            shapes.remove_selected()
        return True

    def _drop_unfinished(self, shapes: "Shapes") -> None:
        """Remove what is half drawn: napari loses count of it when other shapes are removed."""
        if len(shapes.data) > self._n_shapes:
            mode, shapes.mode = shapes.mode, "pan_zoom"  # ends it
            match_features(shapes)
            remove_items(shapes, list(range(self._n_shapes, len(shapes.data))))
            shapes.mode = mode

    def _shapes_changed(self, event: Any) -> None:
        if self.shapes is None or event.action not in _PAST:
            return
        before, n_now = self._n_shapes, len(self.shapes.data)
        if event.action == "added" and n_now == before:  # of too few corners: napari removed it
            self._is_by_hand = False
            match_features(self.shapes)
            return
        if event.action == "added" and self._take_back_speck(self.shapes):
            return
        self._n_shapes = n_now
        if event.action == "added":
            for index in range(before, n_now):
                is_box = self.shapes.shape_type[index] == "rectangle"
                tag_shapes(self.shapes, [index], *self._hooks.owner_of_next(is_box))
        self._hooks.changed(event.action)

    def _layer_removed(self, event: Any) -> None:
        # tidying up after the work is done: what was drawn still counts
        if event.value is self.points:
            self._release_points()
        elif event.value is self.shapes:
            self._release_shapes()

    def _release_points(self) -> None:
        if self.points is not None:
            self.points.events.data.disconnect(self._points_changed)
            self.points.events.scale.disconnect(self.fit_points)
            self._hooks.bind(self.points, False)
            self.points, self._n_points = None, 0

    def _release_shapes(self) -> None:
        if self.shapes is not None:
            self.shapes.events.data.disconnect(self._shapes_changed)
            self.shapes.mouse_drag_callbacks.remove(self._shapes_pressed)
            self._hooks.bind(self.shapes, False)
            self.shapes, self._n_shapes = None, 0


def _shapes_of(prompts: DrawnPrompts) -> tuple[Any, ...]:
    return prompts.boxes, prompts.outlines, prompts.scribbles
