"""All layers of one image that belong together: prompts in, masks out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_sam2.annotation import Confidence, Objects
from napari_sam2.layers.geometry import FrameGeometry
from napari_sam2.layers.labels_layer import OutputLayers
from napari_sam2.layers.prompt_layers import (
    Marks,
    ObjectFrame,
    fit_points,
    make_points_layer,
    make_shapes_layer,
    read_marks,
    style_points,
    tag_points,
    tag_shapes,
)
from napari_sam2.masklets import Masklets

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Points, Shapes

    from sam2_torch.predictions import SparseMask

_PAST = ("added", "changed", "removed")


def _nothing() -> None:
    """Let it pass."""


@dataclass(frozen=True)
class Listener:
    """Whom a workspace tells what the user does.

    Parameters
    ----------
    marks
        Called with (object id, frame) and all that is drawn there now, whenever that changes.
    painting
        Called at each stroke of a brush, many times a second; `Workspace.take_painted` ends it.
    ignored
        Called when something was drawn that says nothing, because of where or what it is.
    keys
        What to call when a key is pressed while a prompt layer is active.
    """

    marks: Callable[[ObjectFrame, Marks], None]
    painting: Callable[[], None] = _nothing
    ignored: Callable[[], None] = _nothing
    keys: Mapping[str, Callable[[], None]] = field(default_factory=dict)


class Workspace:
    """What a user draws on one image, and where the answers are shown.

    Parameters
    ----------
    viewer, image, geometry
        The image in its viewer, and its axes.
    listener
        Whom to tell.

    Attributes
    ----------
    objects, masklets, confidence, outputs
        The objects, their masks, the network's scores of them by (object id, frame), and the
        layers that show them.
    current_object, label
        Whose the next mark is, and whether the next click is positive (1) or negative (0).
    """

    def __init__(
        self,
        viewer: "ViewerModel",
        image: "Image",
        geometry: FrameGeometry,
        listener: Listener,
    ) -> None:
        self.viewer = viewer
        self.image = image
        self.geometry = geometry
        self.objects = Objects()
        self.masklets = Masklets(geometry.n_frames, geometry.frame_shape)
        self.confidence: dict[ObjectFrame, Confidence] = {}
        self.outputs = OutputLayers(
            viewer, image, geometry, self.masklets, self.objects, self._painting
        )
        self.current_object = self.objects.new()
        self.label = 1
        self.points: Points | None = None
        self.shapes: Shapes | None = None
        self._listener = listener
        self._marks: dict[ObjectFrame, Marks] = {}
        # wet: painted since `take_painted`; painted: with what was drawn there before
        self._wet: dict[ObjectFrame, SparseMask] = {}
        self._painted: dict[ObjectFrame, tuple[SparseMask, Marks]] = {}
        # napari before 0.9 has the camera in the viewer itself
        self._camera = getattr(viewer, "scene", viewer).camera
        self._camera.events.zoom.connect(self._fit_points)
        viewer.layers.events.removed.connect(self._layer_removed)

    @property
    def marks(self) -> dict[ObjectFrame, Marks]:
        """All that is drawn, by (object id, frame)."""
        return dict(self._marks)

    def is_marked(self, object_id: int) -> bool:
        """Tell whether anything is drawn of an object, or known of it already."""
        drawn = any(key[0] == object_id for key in self._marks)
        return drawn or object_id in self.masklets.object_ids

    def is_propagated(self, object_id: int) -> bool:
        """Tell whether an object has masks beyond the frames in which it is drawn."""
        drawn = {frame for key, frame in self._marks if key == object_id}
        return not drawn.issuperset(self.masklets.frames(object_id))

    @property
    def shown_frame(self) -> int | None:
        """The frame that the viewer shows; None where the movie is not."""
        return self.geometry.frame_at(self.image.world_to_data(self.viewer.dims.point)[:-2])

    def go_to(self, frame: int) -> None:
        """Let the viewer show a frame."""
        axis = self.geometry.frame_axis
        if axis is None or frame == self.shown_frame:
            return
        # layers of fewer dimensions are aligned at their last axes
        offset = self.viewer.dims.ndim - self.image.ndim
        here = (*self.geometry.index(frame), 0, 0)
        self.viewer.dims.set_point(axis + offset, self.image.data_to_world(here)[axis])

    def prompt_with_points(self) -> "Points":
        """Make the Points layer unless it is there, and let clicks add points."""
        if self.points is None:
            self.points = make_points_layer(self.image, f"{self.image.name} clicks")
            self.points.events.data.connect(self._points_changed)
            self._bind_keys(self.points)
            self._fit_points()
            self.viewer.add_layer(self.points)
        self.viewer.layers.selection.active = self.points
        self.points.mode = "add"
        return self.points

    def prompt_with_shapes(self) -> "Shapes":
        """Make the Shapes layer unless it is there, and let drags draw boxes."""
        if self.shapes is None:
            self.shapes = make_shapes_layer(self.image, f"{self.image.name} boxes")
            self.shapes.events.data.connect(self._shapes_changed)
            self._bind_keys(self.shapes)
            self.viewer.add_layer(self.shapes)
        self.viewer.layers.selection.active = self.shapes
        self.shapes.mode = "add_rectangle"
        return self.shapes

    def show_current(self) -> bool:
        """Make the current object's layer before its first mask comes.

        It takes napari longer to add a layer than it takes the network to answer.

        Returns
        -------
        False if there were too many objects, so that there is one layer for all from now on.
        """
        return self.outputs.show([self.current_object])

    def take_painted(self) -> None:
        """Make what was painted the mark of its frame, in place of what was drawn before."""
        if not self._wet:
            return
        drawn = self._read()
        for key, mask in self._wet.items():
            self.objects.include(key[0])
            self._painted[key] = (mask, drawn.get(key, Marks()))
        self._wet.clear()
        self._collect("painted")

    def give_masks(self, masks: "Mapping[int, Mapping[int, SparseMask]]") -> None:
        """Take masks, by object id and frame, as if they had been painted.

        Raises
        ------
        ValueError
            If a mask is not of the frames' shape, or a frame is outside of the movie; then
            nothing is taken.
        """
        trial = Masklets(self.geometry.n_frames, self.geometry.frame_shape)
        given = {(i, frame): mask for i, frames in masks.items() for frame, mask in frames.items()}
        for key, mask in given.items():
            trial.set(*key, mask)
        for key, mask in given.items():
            self.masklets.set(*key, mask)
        self._wet.update(given)
        self.take_painted()

    def remove_object(self, object_id: int) -> None:
        """Take an object's marks and layers out of the viewer, without a call of `on_marks`."""
        for table in (self._marks, self._wet, self._painted):
            for key in [key for key in table if key[0] == object_id]:
                del table[key]
        for layer, changed in (
            (self.points, self._points_changed),
            (self.shapes, self._shapes_changed),
        ):
            if layer is None:
                continue
            own = (layer.features["object"] == object_id).to_numpy().nonzero()[0].tolist()
            with layer.events.data.blocker(changed):
                _remove_items(layer, own)
        self.objects.remove(object_id)
        self.masklets.remove(object_id)
        self.outputs.remove(object_id)

    def discard(self) -> None:
        """Take all layers of the workspace out of the viewer, and let go of it."""
        for layer in (self.points, self.shapes):
            if layer is not None:
                self.viewer.layers.remove(layer)
        self.outputs.clear()
        self.close()

    def close(self) -> None:
        """Let go of the viewer; all layers stay."""
        self.viewer.layers.events.removed.disconnect(self._layer_removed)
        self._camera.events.zoom.disconnect(self._fit_points)
        self._release_points()
        self._release_shapes()

    def _fit_points(self) -> None:
        if self.points is not None:
            fit_points(self.points, self._camera.zoom)

    def _points_changed(self, event: Any) -> None:
        if self.points is not None and event.action in _PAST:
            if event.action == "added":
                tag_points(self.points, event.data_indices, self.current_object, self.label)
            self._collect(event.action)  # first: the network works while the points are drawn
            style_points(self.points)

    def _shapes_changed(self, event: Any) -> None:
        if self.shapes is not None and event.action in _PAST:
            if event.action == "added":
                tag_shapes(self.shapes, event.data_indices, self.current_object)
            self._collect(event.action)

    def _collect(self, action: str) -> None:
        before = self._marks
        self._marks = self._effective(self._read())
        keys = sorted(before.keys() | self._marks.keys())
        changed = [k for k in keys if self._marks.get(k, Marks()) != before.get(k, Marks())]
        for key in changed:
            self._listener.marks(key, self._marks.get(key, Marks()))
        if action == "added" and not changed:
            self._listener.ignored()

    def _layer_removed(self, event: Any) -> None:
        # tidying up after the work is done: the masks that came of these marks stay
        if event.value is self.points:
            self._release_points()
        elif event.value is self.shapes:
            self._release_shapes()
        else:
            return
        self._marks = self._effective(self._read())

    def _read(self) -> dict[ObjectFrame, Marks]:
        return read_marks(self.image, self.geometry, self.points, self.shapes)

    def _effective(self, drawn: dict[ObjectFrame, Marks]) -> dict[ObjectFrame, Marks]:
        """Put what is painted first: only what was drawn on top of it counts."""
        painted = {
            key: replace(drawn.get(key, Marks()).beyond(before), painted=mask)
            for key, (mask, before) in self._painted.items()
        }
        return drawn | painted

    def _painting(self, object_id: int, frame: int) -> None:
        # now, for a propagation may write its own mask at any time
        mask = self.masklets.get(object_id, frame)
        if mask is not None:
            self._wet[object_id, frame] = mask
            self._listener.painting()

    def _release_points(self) -> None:
        if self.points is not None:
            self.points.events.data.disconnect(self._points_changed)
            self._bind_keys(self.points, bind=False)
            self.points = None

    def _release_shapes(self) -> None:
        if self.shapes is not None:
            self.shapes.events.data.disconnect(self._shapes_changed)
            self._bind_keys(self.shapes, bind=False)
            self.shapes = None

    def _bind_keys(self, layer: "Points | Shapes", bind: bool = True) -> None:
        for key, call in self._listener.keys.items():
            layer.bind_key(key, _ignoring_layer(call) if bind else None, overwrite=True)


def _ignoring_layer(call: Callable[[], None]) -> Callable[[Any], None]:
    def pressed(_: Any) -> None:
        call()

    return pressed


def _remove_items(layer: Any, indices: list[int]) -> None:
    if indices:
        layer.selected_data = set(indices)
        layer.remove_selected()
        layer.selected_data = set()
