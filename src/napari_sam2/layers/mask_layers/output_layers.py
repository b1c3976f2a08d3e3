"""Masklets -> Labels layers: one for each object, or one for all."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from napari_sam2.annotation.objects import Objects
from napari_sam2.layers.mask_layers.masklet_levels import is_large, layer_data, redraw
from napari_sam2.layers.mask_layers.masklet_view import MaskletView
from napari_sam2.layers.viewer.colours import object_colormap
from napari_sam2.layers.viewer.image_geometry import FrameGeometry, placement
from napari_sam2.masks.masklets import Masklets

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Layer

# Each layer costs napari some 0.2 s when it is added and 10 ms at each change of the slice
MAX_OBJECT_LAYERS = 20
OPACITY = 0.5
ALL = 0  # the key of the layer of all objects


def _always(object_id: int, frame: int) -> bool:
    return True


def _without(layer: Any, bind: bool) -> None:
    """Bind no keys."""


@dataclass(frozen=True)
class Hooks:
    """What the layers ask and tell.

    Parameters
    ----------
    on_paint
        Called with (object id, frame) of each mask that was painted into.
    may_paint
        Whether the mask of (object id, frame) may be painted into.
    bind
        Called with each new layer, to bind keys to it; and with False as second argument when
        it is let go of.
    """

    on_paint: Callable[[int, int], None]
    may_paint: Callable[[int, int], bool] = _always
    bind: "Callable[[Labels, bool], None]" = _without


class OutputLayers:
    """The Labels layers of one image's masklets.

    Parameters
    ----------
    viewer
        Where the layers appear.
    image, geometry
        The image and its axes; the layers lie where it lies.
    masklets, objects
        What they show. The layers are views: they hold no pixel of their own.
    hooks
        What the layers ask and tell.

    Attributes
    ----------
    hidden
        The objects that are not shown; change it through `set_hidden`.
    """

    def __init__(
        self,
        viewer: "ViewerModel",
        image: "Image",
        geometry: FrameGeometry,
        masklets: Masklets,
        objects: Objects,
        hooks: Hooks,
    ) -> None:
        self._viewer = viewer
        self._image = image
        self._geometry = geometry
        self._masklets = masklets
        self._objects = objects
        self._hooks = hooks
        self._layers: dict[int, Labels] = {}
        self._outdated: dict[int, bool] = {}  # and whether their thumbnails are, too
        self._per_object = True
        self.hidden: set[int] = set()

    @property
    def per_object(self) -> bool:
        """Whether each object has a layer of its own."""
        return self._per_object

    @property
    def is_paintable(self) -> bool:
        """Whether napari lets masks be painted; not in large frames, which have levels."""
        return not is_large(self._geometry.frame_shape)

    @property
    def layers(self) -> "dict[int, Labels]":
        """The layers that are in the viewer by object id; 0 stands for the one of all."""
        return {key: layer for key, layer in self._layers.items() if layer in self._viewer.layers}

    def set_per_object(self, per_object: bool) -> bool:
        """Choose one layer for each object, or one for all.

        Returns
        -------
        Whether it is so now: past `MAX_OBJECT_LAYERS` objects there is one for all.
        """
        possible = per_object and len(self._masklets.object_ids) <= MAX_OBJECT_LAYERS
        if possible != self._per_object:
            self._per_object = possible
            self.clear()
        self.show(self._masklets.object_ids)
        return possible == per_object

    def show(self, object_ids: Iterable[int]) -> bool:
        """Make the layers of these objects as far as they are missing.

        Returns
        -------
        False if there were too many objects, so that there is one layer for all from now on.
        """
        wanted = set(object_ids)
        if self._per_object and len(wanted.union(self.layers)) > MAX_OBJECT_LAYERS:
            return self.set_per_object(True)
        for key in sorted(wanted if self._per_object else {ALL} if wanted else ()):
            if key not in self.layers:
                self._add(key)
        return True

    def refresh(self, object_ids: Iterable[int] | None = None) -> None:
        """Show the masks as they are now in the frame that is looked at."""
        for key in self._showing(object_ids):
            self._outdated.pop(key, None)
            redraw(self._layers[key])

    def outdate(self, object_ids: Iterable[int] | None = None, thumbnails: bool = False) -> None:
        """Have the masks of these objects, or of all, shown as they are now by `catch_up`.

        Parameters
        ----------
        object_ids
            All by default.
        thumbnails
            Whether to draw them anew in the layer list, too.
        """
        for key in self._showing(object_ids):
            self._outdated[key] = thumbnails or self._outdated.get(key, False)

    def catch_up(self, budget_s: float) -> bool:
        """Show what is outdated, one layer at least, until the time is spent.

        Parameters
        ----------
        budget_s
            Seconds on the clock.

        Returns
        -------
        Whether anything is left.
        """
        end = perf_counter() + budget_s
        while self._outdated:
            key = next(iter(self._outdated))
            thumbnail = self._outdated.pop(key)
            if key in self.layers:
                redraw(self._layers[key], thumbnail)
            if perf_counter() > end:
                break
        return bool(self._outdated)

    @contextmanager
    def left_out(self) -> Iterator[None]:
        """Let napari leave the layers alone while it goes to another frame; then they are outdated.

        Notes
        -----
        It slices those that are visible, all in one go. They are taken for invisible for so
        long, and nobody is told: nothing appears or disappears.
        """
        layers = [layer for layer in self.layers.values() if layer.visible]
        for layer in layers:
            layer._visible = False
        try:
            yield
        finally:
            for layer in layers:
                layer._visible = True
            self.outdate()

    def remove(self, object_id: int) -> None:
        """Take the object's own layer out of the viewer, if it has one."""
        layer = self.layers.get(object_id)
        self._release(object_id)
        if layer is not None:
            self._viewer.layers.remove(layer)
        self.refresh()

    def show_records(self) -> None:
        """Make what is shown, and the names of objects' own layers, what is said of them."""
        records = {i: self._objects.record(i) for i in self._objects.ids}
        self.set_hidden(i for i, record in records.items() if not record.is_visible)
        for object_id, layer in self.layers.items():
            if object_id in records and layer.name != records[object_id].name:
                layer.name = records[object_id].name

    def set_hidden(self, object_ids: Iterable[int]) -> None:
        """Hide these objects, and show all others."""
        before, now = set(self.hidden), set(object_ids)
        self.hidden.clear()
        self.hidden.update(now)
        for key in (before ^ now).intersection(self.layers):
            self._layers[key].visible = key not in now
        if before != now:
            self.refresh([ALL])

    def clear(self) -> None:
        """Take all layers out of the viewer."""
        layers = self.layers.values()
        self.release()
        for layer in layers:
            self._viewer.layers.remove(layer)

    def release(self) -> None:
        """Let go of all layers; they stay in the viewer."""
        for key in list(self._layers):
            self._release(key)

    def _showing(self, object_ids: Iterable[int] | None) -> list[int]:
        """List the layers that show these objects, or all layers."""
        shown = self.layers
        if object_ids is None or not self._per_object:
            return list(shown)
        return [key for key in dict.fromkeys(object_ids) if key in shown]

    def _release(self, key: int) -> None:
        layer = self._layers.pop(key, None)
        if layer is not None:
            self._hooks.bind(layer, False)

    def _add(self, key: int) -> None:
        from napari.layers import Labels

        name = self._objects.name(key) if key else f"{self._image.name} objects"
        view = MaskletView(
            self._masklets,
            self._geometry,
            key or None,
            self._hooks.on_paint,
            self.hidden,
            self._hooks.may_paint,
        )
        layer = Labels(
            layer_data(view),
            name=name,
            colormap=object_colormap(),
            opacity=OPACITY,
            visible=key not in self.hidden,
            **placement(self._image),
        )
        layer.selected_label = key or 1
        self._hooks.bind(layer, True)
        insert_quietly(self._viewer, layer, above=[self._image, *self.layers.values()])
        self._layers[key] = layer


def insert_quietly(viewer: "ViewerModel", layer: "Labels", above: "Sequence[Layer]") -> None:
    """Insert a layer right over others; the layer that the user works in stays active."""
    layers = viewer.layers
    active = layers.selection.active
    at = [layers.index(lower) + 1 for lower in above if lower in layers]
    layers.insert(max(at, default=len(layers)), layer)
    if active is not None:
        layers.selection.active = active
