"""Masklets -> Labels layers: one for each object, or one for all."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from napari_sam2.annotation.objects import Objects
from napari_sam2.layers.mask_layers.masklet_levels import is_large, is_own, layer_data, redraw
from napari_sam2.layers.mask_layers.masklet_view import MaskletView
from napari_sam2.layers.viewer.colours import object_colormap
from napari_sam2.layers.viewer.image_geometry import FrameGeometry, keep_on, placement
from napari_sam2.masks.masklets import Masklets

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Layer

# Each layer costs napari some 0.1 s when it is added and 10 ms at each change of the slice
MAX_OBJECT_LAYERS = 20
OPACITY = 0.5
ALL = 0  # the key of the layer of all objects


def _always(object_id: int, frame: int) -> bool:
    return True


def _without(layer: Any, bind: bool) -> None:
    """Bind no keys."""


def _ignore(*_: Any) -> None:
    """Do nothing."""


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
    renamed
        Called with (object id, name) when the user renamed an object's own layer.
    later
        Calls a function in a later turn of the event loop; at once by default.
    drawn
        Called when masks, or which of them are shown, may be others.
    selected
        Called with the object whose label the user selected in the layer of all.
    """

    on_paint: Callable[[int, int], None]
    may_paint: Callable[[int, int], bool] = _always
    bind: "Callable[[Labels, bool], None]" = _without
    renamed: Callable[[int, str], None] = _ignore
    later: Callable[[Callable[[], None]], None] = lambda call: call()
    drawn: Callable[[], None] = _ignore
    selected: Callable[[int], None] = _ignore


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
        self._is_naming = False
        self._turns: deque[Callable[[], object]] = deque()  # each adds or removes one layer
        self._queued: set[int] = set()  # keys of layers that are added in one of them
        self._selected = 1
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
        """Add the missing layers of these objects, one in each turn of the event loop.

        Adding a layer keeps napari busy for 0.1 s.

        Returns
        -------
        False if there were too many objects, so that there is one layer for all from now on.
        """
        wanted = set(object_ids)
        if self._per_object and len(wanted.union(self.layers, self._queued)) > MAX_OBJECT_LAYERS:
            return self.set_per_object(True)
        keys = wanted if self._per_object else {ALL} if wanted else set()
        missing = sorted(keys.difference(self.layers, self._queued))
        self._queued.update(missing[1:])
        for key in missing[:1]:
            self._add(key)
        for key in missing[1:]:
            self._take_turn(partial(self._add_queued, key))
        return True

    def refresh(self, object_ids: Iterable[int] | None = None) -> None:
        """Show the masks as they are now in the frame that is looked at."""
        for key in self._showing(object_ids):
            self._outdated.pop(key, None)
            redraw(self._layers[key])
        self._hooks.drawn()

    def outdate(self, object_ids: Iterable[int] | None = None, thumbnails: bool = False) -> None:
        """Mark the layers of these objects, or of all, to be redrawn by `catch_up`.

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
        self._hooks.drawn()
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
        """Show or hide objects, and name their own layers, as the log has them."""
        records = {i: self._objects.record(i) for i in self._objects.ids}
        self.set_hidden(i for i, record in records.items() if not record.is_visible)
        self._is_naming = True
        for object_id, layer in self.layers.items():
            if object_id in records and layer.name != records[object_id].name:
                layer.name = records[object_id].name
        self._is_naming = False

    def set_hidden(self, object_ids: Iterable[int]) -> None:
        """Hide these objects, and show all others."""
        before, now = set(self.hidden), set(object_ids)
        self.hidden.clear()
        self.hidden.update(now)
        for key in (before ^ now).intersection(self.layers):
            self._layers[key].visible = key not in now
        if before != now:
            self.refresh([ALL])

    def select(self, object_id: int) -> None:
        """Paint an object in the layer of all."""
        self._selected = object_id
        if ALL in self._layers:
            self._layers[ALL].selected_label = object_id

    def clear(self) -> None:
        """Take all layers out of the viewer."""
        layers = list(self.layers.values())
        self.release()
        for layer in layers:  # a turn each: napari takes 0.05 s
            self._take_turn(partial(self._remove, layer))

    def release(self) -> None:
        """Let go of all layers; they stay in the viewer."""
        self._queued.clear()
        for key in list(self._layers):
            self._release(key)

    def _take_turn(self, call: Callable[[], object]) -> None:
        self._turns.append(call)
        if len(self._turns) == 1:
            self._hooks.later(self._next_turn)

    def _next_turn(self) -> None:
        self._turns[0]()
        self._turns.popleft()
        if self._turns:
            self._hooks.later(self._next_turn)

    def _add_queued(self, key: int) -> None:
        if key in self._queued:
            self._queued.remove(key)
            if key not in self.layers and key in self._objects.ids:
                self._add(key)

    def _remove(self, layer: "Labels") -> None:
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _showing(self, object_ids: Iterable[int] | None) -> list[int]:
        """List the layers that show these objects, or all layers."""
        shown = self.layers
        if object_ids is None or not self._per_object:
            return list(shown)
        return [key for key in dict.fromkeys(object_ids) if key in shown]

    def _release(self, key: int) -> None:
        layer = self._layers.pop(key, None)
        if layer is not None:
            layer.events.data.disconnect(self._data_replaced)
            layer.events.name.disconnect(self._renamed)
            if key == ALL:
                layer.events.selected_label.disconnect(self._label_selected)
            self._hooks.bind(layer, False)

    def _data_replaced(self, event: Any) -> None:
        """Release a layer that does not show the masks any more, and make another one.

        napari's *Convert data type* puts an array of its own in place of the masks.
        """
        from napari.utils.notifications import show_info

        layer = event.source
        if is_own(layer):
            return
        key = self._key_of(layer)
        self._release(key)
        name = layer.name
        layer.name = f"{name} (copy)"
        self._add(key)
        show_info(
            f"{layer.name} is a copy from now on, and painting in it changes no mask: "
            f"{name} has the masks."
        )

    def _label_selected(self, event: Any) -> None:
        label = int(event.source.selected_label)
        if label != self._selected and label in self._objects:
            self._selected = label
            self._hooks.selected(label)

    def _renamed(self, event: Any) -> None:
        key = self._key_of(event.source)
        if key != ALL and not self._is_naming and event.source.name != self._objects.name(key):
            self._hooks.renamed(key, event.source.name)

    def _key_of(self, layer: "Labels") -> int:
        return next(key for key, own in self._layers.items() if own is layer)

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
        layer.selected_label = key or self._selected
        self._hooks.bind(layer, True)
        insert_quietly(self._viewer, layer, above=[self._image, *self.layers.values()])
        keep_on(self._image, layer)
        layer.events.data.connect(self._data_replaced)
        layer.events.name.connect(self._renamed)
        if key == ALL:
            layer.events.selected_label.connect(self._label_selected)
        self._layers[key] = layer


def insert_quietly(viewer: "ViewerModel", layer: "Labels", above: "Sequence[Layer]") -> None:
    """Insert a layer right over others; the layer that the user works in stays active.

    Half of the time that napari takes to insert a Labels layer, 0.1 of 0.2 s, it makes the
    visuals of its polygon and encircling tools. They are made when a tool is first chosen.
    """
    layers = viewer.layers
    active = layers.selection.active
    at = [layers.index(lower) + 1 for lower in above if lower in layers]
    tools = [each for name, each in layer._overlays.items() if name in ("polygon", "brush_stroke")]
    for overlay in tools:
        overlay.visible = False

    def choose_tool() -> None:
        layer.events.mode.disconnect(choose_tool)
        for overlay in tools:
            overlay.visible = True

    layer.events.mode.connect(choose_tool)
    layers._activate_on_insert = active is None  # else napari shows the controls of both
    try:
        layers.insert(max(at, default=len(layers)), layer)
    finally:
        layers._activate_on_insert = True
