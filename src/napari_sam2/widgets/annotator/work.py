"""Work on one image: its layers and log, and the masks that the network predicts for them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache, partial
from itertools import groupby
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam2.annotation import object_edits
from napari_sam2.annotation.drawn_prompts import DrawnPrompts, ObjectFrame
from napari_sam2.annotation.history import (
    SETTINGS_KEY,
    Action,
    Changes,
    History,
    Key,
    Kind,
    Step,
    StoredMask,
    Value,
)
from napari_sam2.annotation.objects import default_record
from napari_sam2.annotation.prompted_session import Direction
from napari_sam2.annotation.second_piece import made_second_piece, move_last_click
from napari_sam2.annotation.session_settings import Settings
from napari_sam2.layers.viewer.image_axes import ImageAxes, place_layers, write_axes
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from napari_sam2.layers.workspace import Listener, Workspace
from napari_sam2.masks.packing import read_outline
from napari_sam2.movies.appearance import Appearance
from napari_sam2.movies.typed_calibration import summary
from napari_sam2.widgets.annotator.mask_candidates import N_CANDIDATES, MaskCandidates
from napari_sam2.widgets.annotator.object_commands import ObjectCommands
from napari_sam2.widgets.annotator.propagation import Propagation
from napari_sam2.widgets.controls.key_table import key_of
from napari_sam2.widgets.controls.notices import ONE_LAYER_FOR_ALL
from napari_sam2.widgets.inference.loaded_model import short_name
from napari_sam2.widgets.inference.network import Network
from napari_sam2.widgets.inference.session_owner import SessionOwner

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from sam2_torch.masks import SparseMask


class Work(QObject):
    """Records what the user does on one image, asks for masks and shows them.

    It exists as long as the image is in the viewer.

    Parameters
    ----------
    viewer, image, geometry
        The image in its viewer, and its axes.
    network, propagation, candidates
        The parts that all images of a viewer share.

    Attributes
    ----------
    workspace
        The layers and the log.
    edit
        Commands on whole objects, undo and redo.
    is_chosen
        Whether this is the image that the docks show. Only its prompts load a model.

    Signals
    -------
    changed
        Something that a dock shows changed.
    edited
        The user changed the log.
    answered
        (object id, frame) of a prompt that has its mask now.
    painting
        A brush has moved in a Labels layer.
    noticed
        A sentence for the user.
    """

    changed = Signal()
    edited = Signal()
    answered = Signal(object)
    painting = Signal()
    noticed = Signal(str)

    def __init__(
        self,
        viewer: "ViewerModel",
        image: "Image",
        geometry: FrameGeometry,
        network: Network,
        propagation: Propagation,
        candidates: MaskCandidates,
    ) -> None:
        super().__init__()
        self.workspace = Workspace(viewer, image, geometry, self._listener())
        self.history = self.workspace.history
        self.edit = ObjectCommands(self.workspace, self.apply, propagation.when_idle)
        self.is_chosen = False
        self._network = network
        self._propagation = propagation
        self._candidates = candidates
        self._second_piece: tuple[ObjectFrame, DrawnPrompts] | None = None
        self._asked_model = ""  # name of the model that predicted the masks of the prompts

    def open(self) -> None:
        """Load the model and open the image with it, unless it is open, and ask for its masks."""
        if not self._network.open(self.workspace):
            return
        self._propagation.leave()
        self._network.submit(lambda owner: owner.is_constant, then=self._warn_of_constant)
        self._ask_opened(self._network.model[0])
        self.changed.emit()

    def _warn_of_constant(self, is_constant: bool) -> None:
        if is_constant:
            self.noticed.emit(
                f"{self.workspace.image.name} has the same value in every pixel that was looked "
                "at: its masks are meaningless."
            )

    def choose_appearance(self, appearance: Appearance) -> None:
        """Show the image to the network with another appearance; prompts and masks stay."""
        if appearance != self.workspace.appearance:
            self.workspace.appearance = appearance
            if self._network.is_open:
                self._network.outdate()
                self.open()

    def new_object(self) -> None:
        """Begin another object, unless the current one is still empty.

        A click that has just made a second piece of an object moves to the new one.
        """
        workspace = self.workspace
        if self.has_second_piece and self._second_piece is not None:
            new_id = workspace.objects.next_id()
            changes = move_last_click(self.history, self._second_piece[0], new_id)
            workspace.current_object = new_id
            self.history.record(Action.NEW, changes, f"Object {new_id}, with the last click")
            self.apply(changes)
        elif workspace.is_begun(workspace.current_object):
            self.edit.new()
            self.show_layer()
        else:
            self.noticed.emit("The current object is still empty: click inside a cell first.")

    @property
    def has_second_piece(self) -> bool:
        """Whether the last click made a second piece of its object: `new_object` moves it."""
        if self._second_piece is None:
            return False
        place, drawn = self._second_piece
        return self.history.prompts.get(place) is drawn

    def select_object(self, object_id: int) -> None:
        """Choose the object of the next prompt."""
        self.workspace.current_object = object_id
        self.changed.emit()

    def set_label(self, label: int) -> None:
        """Choose whether the next click is positive (1) or negative (0)."""
        self.workspace.label = label
        self.changed.emit()

    def switch_label(self) -> None:
        """Make the next click negative if it would be positive, and vice versa."""
        self.set_label(1 - self.workspace.label)

    def show_layer(self) -> None:
        """Make the layer of the current object before its first mask comes."""
        if self.is_chosen and not self.workspace.show_current():
            self.noticed.emit(ONE_LAYER_FOR_ALL)

    def set_per_object(self, per_object: bool) -> None:
        """Choose one Labels layer for each object, or one for all."""
        if not self.workspace.outputs.set_per_object(per_object):
            self.noticed.emit(ONE_LAYER_FOR_ALL)
        self.changed.emit()

    def choose_candidate(self) -> None:
        """Take the next candidate mask of the click on the shown frame; outline the others."""
        workspace, frame = self.workspace, self.workspace.shown_frame
        if frame is None:
            return
        place = (workspace.current_object, frame)
        drawn = self.history.prompts.get(place, DrawnPrompts())
        if (
            drawn != replace(DrawnPrompts(drawn.clicks), choice=drawn.choice, present=drawn.present)
            or len(drawn.clicks) != 1
        ):
            self.noticed.emit("Only a single click has other masks: whole, part or sub-part.")
            return
        self.open()
        choice = ((drawn.choice or 0) + 1) % N_CANDIDATES
        about = f"{workspace.name_places([place])}, {choice + 1} of {N_CANDIDATES}"
        chosen = replace(drawn, choice=choice or None)
        self.history.record(Action.CHOOSE, {Key(Kind.PROMPTS, *place): chosen}, about)
        self._ask([place])
        self._network.submit(
            lambda owner: owner.candidates(place),
            then=partial(self._candidates.show, workspace, frame, choice),
            topic="candidates",
        )
        self.edited.emit()

    def add_masks(
        self,
        masks: "Mapping[int, Mapping[int, SparseMask]]",
        names: Mapping[int, str] | None = None,
    ) -> None:
        """Add masks as prompts; they are shown at once, and the next propagation carries them on.

        Parameters
        ----------
        masks
            By object id and frame. Take new ids from `workspace.new_ids()`; objects that do not
            exist are made.
        names
            Names of the objects.
        """
        changes = self._added(masks, names or {})
        if changes:
            self.history.record(Action.ADD_MASKS, changes, _count(len(masks)))
            self.apply(changes)

    def add_tracked_frame(self, step: Step, frame: int, masks: Mapping[int, StoredMask]) -> None:
        """Add the masks of objects that are being tracked automatically.

        Parameters
        ----------
        step
            Their step.
        frame, masks
            The frame, and the masks by object id.
        """
        changes: dict[Key, Value | None] = {}
        for object_id, mask in masks.items():
            changes[Key(Kind.MASK, object_id, frame)] = mask
            record = Key(Kind.OBJECT, object_id)
            if record not in self.history.values:
                changes[record] = default_record(object_id)
        self.history.extend(step, changes)

    def add_tracked(
        self,
        step: Step,
        withdrawn: Iterable[ObjectFrame],
        seeds: "Mapping[int, Mapping[int, SparseMask]]",
    ) -> None:
        """Add the prompts of objects that were tracked automatically.

        Parameters
        ----------
        step
            Their step, which holds their masks.
        withdrawn
            (object id, frame) of masks that turned out to be wrong.
        seeds
            By object id and frame, the masks that they were tracked from. Objects that were
            deleted meanwhile are left out.
        """
        there = {i: masks for i, masks in seeds.items() if i in self.workspace.objects.ids}
        gone = list(withdrawn)
        wrong: dict[Key, Value | None] = {Key(Kind.MASK, *place): None for place in gone}
        changes: dict[Key, Value | None] = {
            Key(Kind.OBJECT, i): None for i, _ in gone if i not in seeds
        }
        changes |= self._added(there, {})
        self.history.extend(step, wrong | changes)
        self.history.drop_empty()
        self.apply(changes)  # the session withdrew its wrong masks itself

    def perform(
        self, action: Action, changes: Changes, about: str, object_ids: Sequence[int] = ()
    ) -> None:
        """Record changed values as one step, with the masks that follow from them.

        Parameters
        ----------
        action, about
            The action, and details for people.
        changes
            New values.
        object_ids
            Objects to propagate afterwards from the shown frame to the end, in the same step.
        """
        first = self.workspace.shown_frame
        step = self.history.record(action, changes, about)
        self.apply(changes)
        self.open()
        if object_ids and first is not None:
            step = step or self.history.begin(action, about)
            span = first, self.workspace.geometry.n_frames
            self._propagation.propagate(self.workspace, step, "forward", span, object_ids)

    def propagate(
        self,
        direction: Direction,
        frames: tuple[int, int] | None,
        object_ids: Sequence[int] | None = None,
    ) -> None:
        """Propagate objects to other frames, all of them by default; locked masks stay.

        Parameters
        ----------
        direction
            From the prompted frames of each object.
        frames
            First and the one after the last; time points in a movie of stacks. None for all.
        object_ids
            The objects.
        """
        if self._propagation.is_running:
            return
        about = direction if frames is None else f"{direction}, frames {frames[0]} to {frames[1]}"
        n_planes = self.workspace.geometry.n_planes
        if frames is not None:
            frames = frames[0] * n_planes, frames[1] * n_planes
        step = self.history.begin(Action.PROPAGATE, about)
        self._propagation.propagate(self.workspace, step, direction, frames, object_ids)

    def propagate_changes(self, object_ids: Sequence[int] | None = None) -> None:
        """Propagate what was corrected, in both directions, as far as it changes masks."""
        if not self._propagation.is_running:
            step = self.history.begin(Action.CORRECT)
            self._propagation.propagate_changes(self.workspace, step, object_ids)

    def apply(self, changes: Changes) -> None:
        """Show changed values of the log, and bring the network's session up to them."""
        self._candidates.hide()
        workspace = self.workspace
        workspace.show(changes)
        if not workspace.outputs.show(workspace.masklets.object_ids):
            self.noticed.emit(ONE_LAYER_FOR_ALL)
        if self._network.is_open_on(workspace):
            self._forget(changes)
            self._ask(key.place for key in changes if key.place in self.history.pending)
        self.edited.emit()
        self.changed.emit()

    def restore(self, history: History) -> None:
        """Continue with a log that was read from a file."""
        changes = self.history.restore(history)
        self._restore_settings(history.settings)
        self.apply(changes)
        if self.is_chosen:
            self.open()

    def note_settings(self) -> None:
        """Record model and appearance of the masks that are predicted from now on."""
        network = self._network
        if not network.device or not network.is_open_on(self.workspace):
            return
        appearance = asdict(self.workspace.appearance)
        model, precision = network.model[0], network.dtype
        self._note(
            replace(self.history.settings, model=model, precision=precision, **appearance),
            f"{short_name(model)} {precision}".rstrip(),
        )

    def write_axes(self, axes: ImageAxes) -> None:
        """Give the image, and the layers on it, other axes and calibration, as typed."""
        image = self.workspace.image
        write_axes(self.workspace.viewer, image, axes)
        typed = replace(
            self.history.settings,
            axes=tuple(image.axis_labels),
            scale=tuple(map(float, image.scale)),
            units=tuple(map(str, image.units)),
        )
        self._note(typed, summary(axes.letters, self.workspace.geometry.shape, axes.calibration))
        self.changed.emit()

    def _note(self, settings: Settings, about: str) -> None:
        if self.history.settings != settings:
            self.history.note(Action.SETTINGS, about, {SETTINGS_KEY: settings})

    def _added(
        self, masks: "Mapping[int, Mapping[int, SparseMask]]", names: Mapping[int, str]
    ) -> Changes:
        geometry = self.workspace.geometry
        return object_edits.add_masks(
            self.history.values, masks, names, geometry.n_frames, geometry.frame_shape
        )

    def _prompted(self, places: list[ObjectFrame]) -> None:
        """Ask for the masks of prompts that the user has just drawn."""
        self._candidates.hide()
        if self.is_chosen and self._network.is_unloaded:
            self.open()
        elif self._network.is_open_on(self.workspace):
            self._ask(places)
        self.edited.emit()
        self.changed.emit()

    def _ask_opened(self, model: str) -> None:
        """Ask for the masks of a session that has just begun.

        Masks of the same model, on whichever device, stay as they are, as do masks of a session
        file.
        """
        pending, prompts = set(self.history.pending), self.history.prompts
        self._ask(pending)
        if self._asked_model not in ("", model):
            step = cache(lambda: self.history.begin(Action.MODEL, model))
            drawn = {place for place, each in prompts.items() if not each.is_mask}
            self._ask(drawn - pending, lambda _: step())
        self._asked_model = model

    def _ask(
        self,
        places: Iterable[ObjectFrame],
        step_of: Callable[[ObjectFrame], Step | None] | None = None,
    ) -> None:
        """Ask the network for the masks of prompts.

        Parameters
        ----------
        places
            (object id, frame) of each.
        step_of
            Returns the step of a mask; by default the step of its prompts.
        """
        wanted, prompts = sorted(set(places)), self.history.prompts
        ids = {object_id for object_id, _ in wanted}
        own = sorted(place for place in prompts if place[0] in ids)
        by_object = {i: {p: prompts[p] for p in each} for i, each in groupby(own, lambda p: p[0])}
        for place in wanted:
            drawn, step = by_object.get(place[0], {}), self._prompt_step(place)
            earlier = None if step is None else step.before.get(Key(Kind.PROMPTS, *place))
            before = earlier if isinstance(earlier, DrawnPrompts) else None
            self._network.submit(
                partial(SessionOwner.answer, place=place, prompts=drawn, before=before),
                then=partial(
                    self._take_answer, place, drawn.get(place), step_of or self._prompt_step
                ),
                topic=place,
            )

    def _prompt_step(self, place: ObjectFrame) -> Step | None:
        return self.history.step_of(Key(Kind.PROMPTS, *place))

    def _take_answer(
        self,
        place: ObjectFrame,
        drawn: DrawnPrompts | None,
        step_of: Callable[[ObjectFrame], Step | None],
        mask: StoredMask | None,
    ) -> None:
        """Record and show the mask of a prompt, unless the prompt changed meanwhile."""
        if self.history.prompts.get(place) is not drawn:
            return
        object_id, frame = place
        workspace = self.workspace
        step = None if mask is None else step_of(place)
        if mask is not None and drawn is not None and not drawn.is_mask:
            mask = workspace.exclusive({object_id: mask}, frame, only_finished=True)[object_id]
        if step is not None:
            self.history.extend(step, {Key(Kind.MASK, *place): mask})
            if drawn is not None:
                is_second = made_second_piece(self.history, place)
                self._second_piece = (place, drawn) if is_second else None
            if not workspace.outputs.show([object_id]):
                self.noticed.emit(ONE_LAYER_FOR_ALL)
        if workspace.shown_frame == frame or workspace.is_3d:
            workspace.outputs.refresh([object_id])
        if mask is not None and drawn is not None and drawn.painted is None:
            if not read_outline(mask.packed).area:
                blank = workspace.blank.new_sentence()
                nothing = "Nothing was found there: click again, or draw a box"
                self.noticed.emit(f"{blank or nothing}.")
        self.changed.emit()
        if mask is not None:
            self.answered.emit(place)

    def _forget(self, changes: Changes) -> None:
        """Let the session forget what was removed, and propagated masks that were changed."""
        there = self.workspace.objects.ids
        drawn = {key.place for key in changes if key.kind == Kind.PROMPTS}
        gone = drawn - self.history.prompts.keys()
        removed = {
            key.object_id
            for key, value in changes.items()
            if key.kind == Kind.OBJECT and value is None
        }
        changed = {
            key.object_id
            for key in changes
            if key.kind == Kind.MASK and key.object_id in there and key.place not in drawn
        }
        if gone or removed or changed:
            self._network.submit(lambda owner: owner.forget(gone, removed, changed))

    def _restore_settings(self, settings: Settings) -> None:
        """Show the image to the network as it was when the session was saved."""
        appearance, model = Appearance(**settings.appearance), self._network.model[0]
        image = self.workspace.image
        if len(settings.scale) == len(settings.units) == len(settings.axes) == image.ndim:
            place_layers(
                self.workspace.viewer, image, settings.axes, settings.scale, settings.units
            )
        if appearance != self.workspace.appearance:
            self.workspace.appearance = appearance
            self._network.outdate()
        if settings.model not in ("", model):
            self.noticed.emit(
                f"The masks of this session were made by {short_name(settings.model)}; new ones "
                f"will be by {short_name(model)}, unless you choose that one."
            )

    def _listener(self) -> Listener:
        return Listener(
            prompted=self._prompted,
            painting=self.painting.emit,
            ignored=self._notice_ignored,
            refused=self._notice_locked,
            renamed=lambda object_id, name: self.edit.rename(object_id, name),
            selected=self.select_object,
            hidden=self._notice_hidden,
            later=partial(QTimer.singleShot, 0),
            keys={
                key_of("new_label"): self._new_label,
                key_of("switch_label"): self.switch_label,
                key_of("new_object"): self.new_object,
                "Control-Z": lambda: self.edit.undo(),
                "Control-Shift-Z": lambda: self.edit.redo(),
                "Tab": self.choose_candidate,
            },
        )

    def _new_label(self) -> None:
        """Begin an object as napari's key for a new label does: what is painted next is it."""
        layers = self.workspace.viewer.layers
        active, outputs = layers.selection.active, self.workspace.outputs
        self.new_object()
        own = outputs.layers.get(self.workspace.current_object)
        if own is not None and active in outputs.layers.values():
            layers.selection.active, own.mode = own, active.mode

    def _notice_hidden(self) -> None:
        self.noticed.emit(
            "napari ignores clicks in a hidden layer: show the layer first (its eye)."
        )

    def _notice_ignored(self) -> None:
        if self.workspace.is_3d:
            self.noticed.emit("Show one frame at a time to draw: leave the 3D view (Ctrl+Y).")
            return
        others = self.workspace.geometry.place()
        place = f" or on another plane than {others}" if others else ""
        self.noticed.emit(
            f"What is drawn outside the image{place} is removed; Ctrl+Z brings back what was "
            "moved there. Draw a point, a box, a polygon, an ellipse or a path inside."
        )

    def _notice_locked(self) -> None:
        workspace = self.workspace
        current, frame = workspace.current_object, workspace.shown_frame
        if (current, frame) in workspace.locks:
            name = workspace.objects.name(current)
            text = f"{name} is locked in this frame: unlock it first (key {key_of('lock_frame')})."
        elif workspace.objects.is_locked(current):
            name = workspace.objects.name(current)
            text = f"{name} is locked: unlock it first (the padlock in the list)."
        else:
            text = "That is locked: unlock it first (the padlock in the list, or its frame)."
        self.noticed.emit(text)


def _count(n: int) -> str:
    return f"{n} object{'s' * (n != 1)}"
