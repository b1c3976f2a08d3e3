"""The layers of one image and the log of what is drawn in them."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_sam2.annotation.drawn_prompts import DrawnPrompts, ObjectFrame
from napari_sam2.annotation.history import (
    Action,
    Changes,
    History,
    Key,
    Kind,
    StoredMask,
    Value,
)
from napari_sam2.annotation.object_edits import masks_before
from napari_sam2.annotation.objects import Objects
from napari_sam2.layers.mask_layers.object_outlines import CURRENT, ObjectOutlines
from napari_sam2.layers.mask_layers.output_layers import Hooks, OutputLayers
from napari_sam2.layers.mask_layers.preview_outlines import Ghosts, NeighbourGhosts
from napari_sam2.layers.prompt_layers.drawing import Drawing, DrawingHooks
from napari_sam2.layers.viewer.camera import camera_of
from napari_sam2.layers.viewer.image_geometry import FrameGeometry, LayerFrames
from napari_sam2.masks.exclusion import exclude
from napari_sam2.masks.masklets import Confidence, Masklets
from napari_sam2.masks.packing import pack
from napari_sam2.movies.appearance import USUAL
from napari_sam2.movies.blank_frames import BlankFrames

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Points, Shapes

    from napari_sam2.tracks.suggestions import Suggestion
    from sam2_torch.masks import SparseMask


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Listener:
    """Callbacks for the user's actions in the layers of a workspace.

    Parameters
    ----------
    prompted
        Called when prompts changed and are in the log, with their (object id, frame).
    painting
        Called at each move of a brush, many times a second; `Workspace.take_painted` ends it.
    ignored
        Called when a shape or point is no prompt, because of its kind or place.
    refused
        Called when the user drew or painted on a locked mask; it is gone again.
    renamed
        Called with (object id, name) when the user renamed the layer of an object.
    selected
        Called with the object whose label the user selected in the layer of all objects.
    hidden
        Called when the user draws in a layer that is not visible: napari ignores that.
    later
        Calls a function in a later turn of the event loop; at once by default.
    keys
        Functions by key, for as long as a layer of the workspace is active.
    """

    prompted: Callable[[list[ObjectFrame]], None]
    painting: Callable[[], None] = _nothing
    ignored: Callable[[], None] = _nothing
    refused: Callable[[], None] = _nothing
    renamed: Callable[[int, str], None] = lambda object_id, name: None
    selected: Callable[[int], None] = lambda object_id: None
    hidden: Callable[[], None] = _nothing
    later: Callable[[Callable[[], None]], None] = lambda call: call()
    keys: Mapping[str, Callable[[], None]] = field(default_factory=dict)


class Workspace:
    """The log of one image, and the layers in which the user draws prompts and sees masks.

    Parameters
    ----------
    viewer, image, geometry
        The image in its viewer, and its axes.
    listener
        Callbacks for the user's actions.

    Attributes
    ----------
    history
        The log: prompts, masks, objects and locks are its properties. `show` draws its changes.
    ghosts, neighbours
        Outlines of the other candidates of a click, and of the object on neighbouring frames.
    outputs
        The Labels layers.
    proposed
        Divisions found by *Track everything* that the user has not decided on.
    pointers
        Outlines and names of the current object, or of those of a suggestion, in the image.
    label
        Whether the next click is positive (1) or negative (0).
    new_object_per_box, new_object_per_click
        Whether a box, or a positive click, makes a new object, unless the current one is empty.
    objects_exclude
        Whether each pixel of what is propagated belongs to one object.
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
        self.appearance = USUAL
        self.blank = BlankFrames()
        self.history = History(geometry.n_frames, geometry.frame_shape)
        self.proposed: list[Suggestion] = []
        self.drawing = Drawing(
            viewer,
            image,
            geometry,
            self.masklets,
            DrawingHooks(self._owner_of_next, self._collect, self._bind_keys, listener.hidden),
        )
        self.outputs = OutputLayers(
            viewer,
            image,
            geometry,
            self.masklets,
            self.objects,
            Hooks(
                self._painting,
                self._is_open_for_paint,
                self._bind_keys,
                listener.renamed,
                listener.later,
                self._masks_drawn,
                listener.selected,
            ),
        )
        self.pointers = ObjectOutlines(
            viewer,
            image,
            geometry,
            self.history,
            self.outputs.hidden,
            listener.later,
        )
        self.ghosts = Ghosts(viewer, image, geometry)
        self.neighbours = NeighbourGhosts(viewer, image, geometry)
        self._current = 0
        self.current_object = self._begin_object(1)
        self._begun_object: tuple[int, int] | None = None  # before and now, by the box just drawn
        self.label = 1
        self.new_object_per_box, self.new_object_per_click = True, False
        self.objects_exclude = True
        self._listener = listener
        self._tagged: set[int] = set()  # objects of the prompts that `_collect` will read
        self._wet: dict[ObjectFrame, SparseMask] = {}  # painted since `take_painted`

    @property
    def current_object(self) -> int:
        """Object of the next prompt, which makes it unless it exists; outlined in the image."""
        return self._current

    @current_object.setter
    def current_object(self, object_id: int) -> None:
        if object_id != self._current:
            self._current = object_id
            self.outputs.select(object_id)
            self.pointers.point_at({object_id: CURRENT})

    @property
    def objects(self) -> Objects:
        """The objects."""
        return self.history.objects

    @property
    def masklets(self) -> Masklets:
        """The masks."""
        return self.history.masklets

    @property
    def confidence(self) -> dict[ObjectFrame, Confidence]:
        """The network's confidence in the masks, by (object id, frame)."""
        return self.history.confidence

    @property
    def frames(self) -> LayerFrames:
        """The movie with the appearance of now; a later change of appearance leaves it alone."""
        return LayerFrames(self.image, self.geometry, self.appearance, self.blank)

    @property
    def points(self) -> "Points | None":
        """The layer of clicks; None if there is none."""
        return self.drawing.points

    @property
    def shapes(self) -> "Shapes | None":
        """The layer of boxes, outlines and scribbles; None if there is none."""
        return self.drawing.shapes

    @property
    def prompts(self) -> dict[ObjectFrame, DrawnPrompts]:
        """Drawn and painted prompts, by (object id, frame)."""
        return dict(self.history.prompts)

    @property
    def locks(self) -> set[ObjectFrame]:
        """The (object id, frame) whose mask the user locked."""
        return set(self.history.locks)

    def is_locked(self, object_id: int, frame: int) -> bool:
        """Tell whether nothing may change an object's mask in a frame."""
        return (object_id, frame) in self.history.locks or self.objects.is_locked(object_id)

    def is_begun(self, object_id: int) -> bool:
        """Tell whether anything is drawn of an object, or known of it already."""
        drawn = any(key[0] == object_id for key in self.history.prompts)
        return drawn or object_id in self.masklets.object_ids

    def is_propagated(self, object_id: int) -> bool:
        """Tell whether an object has masks beyond the frames in which it is drawn."""
        drawn = {frame for key, frame in self.history.prompts if key == object_id}
        return not drawn.issuperset(self.masklets.frames(object_id))

    @property
    def shown_frame(self) -> int | None:
        """The frame that the viewer shows; None where the movie is not."""
        return self.geometry.frame_at(self.image.world_to_data(self.viewer.dims.point)[:-2])

    @property
    def is_3d(self) -> bool:
        """Whether the viewer shows volumes."""
        return bool(self.viewer.dims.ndisplay == 3)

    @property
    def shown_centre(self) -> tuple[float, float]:
        """Row and column of the image in the middle of the canvas."""
        point = list(self.viewer.dims.point)
        shown = list(self.viewer.dims.displayed)
        camera = camera_of(self.viewer)
        for axis, place in zip(shown, camera.center[-len(shown) :], strict=True):
            point[axis] = place
        y, x = self.image.world_to_data(point)[-2:]
        return float(y), float(x)

    def exclusive(
        self, masks: Mapping[int, StoredMask], frame: int, only_finished: bool = False
    ) -> dict[int, StoredMask]:
        """Return masks for a frame without pixels that belong to other objects.

        Parameters
        ----------
        masks
            New masks, by object id.
        frame
            Their frame.
        only_finished
            Whether only locked objects keep their pixels.
        """
        if not self.objects_exclude:
            return dict(masks)
        there = {i: self.masklets.packed(i, frame) for i in self.objects.ids if i not in masks}
        others = {i: packed for i, packed in there.items() if packed is not None}
        locked = {i for i in others if self.is_locked(i, frame)}
        if only_finished:
            others = {i: others[i] for i in locked}
        fixed = locked | {i for i in others if (i, frame) in self.history.prompts}
        packed = {i: mask.packed for i, mask in masks.items()}
        owned = exclude(packed, others, fixed, self.geometry.frame_shape)
        return {i: replace(mask, packed=owned[i]) for i, mask in masks.items()}

    def go_to(self, frame: int) -> None:
        """Let the viewer show a frame."""
        axes = [a for a in (self.geometry.frame_axis, self.geometry.plane_axis) if a is not None]
        if not axes or frame == self.shown_frame:
            return
        # layers of fewer dimensions are aligned at their last axes
        offset = self.viewer.dims.ndim - self.image.ndim
        here = self.image.data_to_world((*self.geometry.index(frame), 0, 0))
        self.viewer.dims.set_point([a + offset for a in axes], [here[a] for a in axes])

    def prompt_with_points(self) -> "Points":
        """Return the Points layer, ready to add clicks; it is made if it is missing."""
        points = self.drawing.with_points()
        self.drawing.write(self.history.prompts)
        self.viewer.layers.selection.active = points
        points.visible, points.mode = True, "add"
        return points

    def prompt_with_shapes(self) -> "Shapes":
        """Return the Shapes layer, ready to draw boxes; it is made if it is missing."""
        shapes = self.drawing.with_shapes()
        self.drawing.write(self.history.prompts)
        self.viewer.layers.selection.active = shapes
        shapes.visible, shapes.mode = True, "add_rectangle"
        return shapes

    def show_current(self) -> bool:
        """Make the current object's layer before its first mask comes.

        It takes napari longer to add a layer than it takes the network to answer.

        Returns
        -------
        False if there were too many objects, so that there is one layer for all from now on.
        """
        return self.outputs.show([self._begin_object(self.current_object)])

    def new_ids(self) -> Iterator[int]:
        """Iterate over the ids of objects that are still empty, then make new ones."""
        yield from (i for i in self.objects.ids if not self.is_begun(i))
        while True:
            yield self.objects.new()

    def leave(self, object_ids: Container[int]) -> None:
        """Let the next prompt make another object if the current one is one of these."""
        if self.current_object in object_ids:
            self.current_object = self.objects.next_id()

    def take_painted(self) -> None:
        """Record the painted masks as prompts, in place of what was drawn on their frames."""
        if not self._wet:
            return
        painted, self._wet = self._wet, {}
        prompts = {place: DrawnPrompts(painted=mask) for place, mask in painted.items()}
        masks: Changes = {
            Key(Kind.MASK, *place): StoredMask(pack(mask), self.confidence.get(place))
            for place, mask in painted.items()
        }
        self._record(Action.PAINT, prompts, masks)
        self.drawing.write(prompts)
        self._listener.prompted(list(prompts))

    def name_places(self, places: Iterable[ObjectFrame]) -> str:
        """Name an object and its frame, or count several masks."""
        named = [f"{self.objects.name(i)}, frame {frame}" for i, frame in places]
        return named[0] if len(named) == 1 else f"{len(named)} masks"

    def show(self, changes: Changes) -> None:
        """Show changed values of the log in the layers."""
        drawn = {
            key.place: self.history.prompts.get(key.place, DrawnPrompts())
            for key in changes
            if key.kind == Kind.PROMPTS
        }
        gone = [k.object_id for k, v in changes.items() if k.kind == Kind.OBJECT and v is None]
        for object_id in gone:
            self.outputs.remove(object_id)
        self._wet = {
            place: mask
            for place, mask in self._wet.items()
            if place not in drawn and place[0] not in gone
        }
        self.drawing.write(drawn)
        if any(key.kind == Kind.OBJECT for key in changes):
            self.outputs.show_records()
        if self.current_object in gone:
            ids = self.objects.ids
            self.current_object = ids[-1] if ids else self._begin_object(self.objects.next_id())
        self.outputs.refresh()

    def discard(self) -> None:
        """Take all layers of the workspace out of the viewer, and let go of it."""
        self.drawing.remove_layers()
        self.outputs.clear()
        self.remove_previews()
        self.close()

    def remove_previews(self) -> None:
        """Take the outlines of candidates and of neighbouring frames out of the viewer."""
        self.ghosts.hide()
        self.neighbours.remove()

    def close(self) -> None:
        """Let go of the viewer; all layers stay."""
        self.drawing.close()
        self.outputs.release()
        self.pointers.close()

    def _collect(self, action: str) -> None:
        """Record what the user drew; on a locked mask it is removed again."""
        self._tagged.clear()
        now, before = self._effective(), self.history.prompts
        changed = {
            place: now.get(place, DrawnPrompts())
            for place in sorted(before.keys() | now.keys())
            if now.get(place, DrawnPrompts()) != before.get(place, DrawnPrompts())
        }
        is_locked = any(self.is_locked(*place) for place in changed)
        is_stray = action != "removed" and self.drawing.remove_strays()
        is_unseen = action != "removed" and self.is_3d and bool(changed)
        begun, self._begun_object = self._begun_object, None
        if is_locked or is_unseen or (is_stray and action == "added"):
            self.drawing.write({place: before.get(place, DrawnPrompts()) for place in changed})
            if begun is not None:
                self.objects.remove(begun[1])
                self.current_object = begun[0]
            (self._listener.refused if is_locked else self._listener.ignored)()
        elif changed:
            gone = [place for place, drawn in changed.items() if not drawn]
            self._record(Action.PROMPT, changed, masks_before(before, gone))
            self._listener.prompted(list(changed))
            if is_stray:  # dragged off the image: removed by a step that can be undone
                self._listener.ignored()

    def _record(
        self, action: Action, prompts: Mapping[ObjectFrame, DrawnPrompts], masks: Changes
    ) -> None:
        for object_id, _ in prompts:
            self.objects.include(object_id)
        records = {Key(Kind.OBJECT, i): self.objects.record(i) for i, _ in prompts}
        changes: dict[Key, Value | None] = {
            key: record for key, record in records.items() if key not in self.history.values
        }
        changes |= {Key(Kind.PROMPTS, *place): drawn or None for place, drawn in prompts.items()}
        self.history.record(action, changes | dict(masks), self.name_places(prompts))

    def _effective(self) -> dict[ObjectFrame, DrawnPrompts]:
        """Read what is drawn, on top of what was painted."""
        now = self.drawing.read()
        for key in now.keys() - self.history.prompts.keys():
            now[key] = replace(now[key], present=self.masklets.get(*key) or None)
        for key, before in self.history.prompts.items():
            drawn = now.get(key, DrawnPrompts())
            # the choice is about the first click: more of them refine it
            is_chosen = drawn.clicks[:1] == before.clicks[:1] and not _has_shapes(drawn)
            choice = before.choice if is_chosen else None
            drawn = replace(drawn, painted=before.painted, choice=choice)
            if effective := replace(drawn, present=before.present):
                now[key] = effective
        return now

    def _begin_object(self, object_id: int) -> int:
        """Make an object unless it exists, without a step that can be undone."""
        if object_id not in self.objects:
            self.objects.include(object_id)
            record = self.objects.record(object_id)
            self.history.note(Action.NEW, record.name, {Key(Kind.OBJECT, object_id): record})
        return object_id

    def _owner_of_next(self, is_box: bool) -> tuple[int, int]:
        taken = self.current_object in self._tagged or self.is_begun(self.current_object)
        per_click = self.new_object_per_click and self.label == 1
        if taken and (self.new_object_per_box if is_box else per_click):
            before, self.current_object = self.current_object, self.objects.new()
            self._begun_object = before, self.current_object
        self.objects.include(self.current_object)
        self._tagged.add(self.current_object)
        return self.current_object, self.label

    def _masks_drawn(self) -> None:
        self.pointers.update()
        self.drawing.fit_points()

    def _painting(self, object_id: int, frame: int) -> None:
        # now, for a propagation may write its own mask at any time
        mask = self.masklets.get(object_id, frame)
        if mask is not None:
            self._wet[object_id, frame] = mask
            self._listener.painting()

    def _is_open_for_paint(self, object_id: int, frame: int) -> bool:
        if self.is_locked(object_id, frame):
            self._listener.refused()
            return False
        return True

    def _bind_keys(self, layer: "Points | Shapes | Labels", bind: bool) -> None:
        for key, call in self._listener.keys.items():
            layer.bind_key(key, _ignoring_layer(call) if bind else None, overwrite=True)


def _has_shapes(drawn: DrawnPrompts) -> bool:
    return bool(drawn.boxes or drawn.outlines or drawn.scribbles)


def _ignoring_layer(call: Callable[[], None]) -> Callable[[Any], None]:
    def pressed(_: Any) -> None:
        call()

    return pressed
