"""What the user draws becomes a step of the history; values of a step are put in place."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_sam2.annotation.drawn_prompts import Marks, ObjectFrame
from napari_sam2.annotation.history import SETTINGS_KEY, Action, Changes, History, Key, Kind, Value
from napari_sam2.annotation.session_settings import Settings
from napari_sam2.layers.workspace import Workspace
from napari_sam2.movies.appearance import Appearance
from napari_sam2.widgets.annotator.mask_candidates import Alternatives
from napari_sam2.widgets.annotator.pending_step import PendingStep, places
from napari_sam2.widgets.annotator.prompting import Conversation
from napari_sam2.widgets.controls.notices import ONE_LAYER_FOR_ALL
from napari_sam2.widgets.inference.loaded_model import short_name
from napari_sam2.widgets.inference.network import Network

if TYPE_CHECKING:
    from sam2_torch.masks import SparseMask


class Steps(QObject):
    """Records what is done, and lets layers and network know of what is recorded.

    Parameters
    ----------
    network, conversation, alternatives
        Whom to tell; what is drawn on an image that is not open waits.
    current
        Gives the image that is worked on; None if there is none.
    open_image
        Loads the network and the image unless they are open.

    Signals
    -------
    changed
        A step was recorded, or values were put in place.
    noticed
        A sentence for the user.
    """

    changed = Signal()
    noticed = Signal(str)

    def __init__(
        self,
        network: Network,
        conversation: Conversation,
        alternatives: Alternatives,
        current: Callable[[], Workspace | None],
        open_image: Callable[[], None],
    ) -> None:
        super().__init__()
        self._network = network
        self._conversation = conversation
        self._alternatives = alternatives
        self._current = current
        self._open_image = open_image

    def draw(self, workspace: Workspace, marks: Mapping[ObjectFrame, Marks], painted: bool) -> None:
        """Record what is drawn or painted now, and ask for its masks."""
        self._alternatives.hide()
        step = PendingStep(Action.PAINT if painted else Action.PROMPT, places(workspace, marks))
        changes: dict[Key, Value | None] = {
            Key(Kind.MARKS, *key): drawn or None for key, drawn in marks.items()
        }
        changes |= workspace.unknown_objects(object_id for object_id, _ in marks)
        if painted:
            changes |= workspace.stored_masks(marks)
        step.record(workspace, changes)
        self._conversation.expect(workspace, marks, step)
        # what is drawn on another image waits until that one is chosen
        if workspace is self._current() and self._network.is_unloaded:
            self._open_image()
        elif workspace is self._current() and self._network.is_open:
            for key, drawn in marks.items():
                self._conversation.prompt(workspace, key, drawn, step)
        self.changed.emit()

    def add_masks(
        self,
        workspace: Workspace,
        masks: "Mapping[int, Mapping[int, SparseMask]]",
        names: Mapping[int, str],
    ) -> None:
        """Record masks that were found elsewhere, by object id and frame, and show them."""
        self._add(workspace, workspace.given_masks(masks, names), {}, len(masks))

    def add_followed(
        self, workspace: Workspace, seeds: "Mapping[int, Mapping[int, SparseMask]]"
    ) -> None:
        """Record objects that were found and followed elsewhere: all their masks are one step.

        Parameters
        ----------
        workspace
            Where they are, whether or not it is the one that is worked on. Its masklets hold
            their masks already.
        seeds
            By object id and frame, the masks that they were followed from: the user's word from
            now on. Objects that were deleted meanwhile are left out.
        """
        there = {i: masks for i, masks in seeds.items() if i in workspace.objects.ids}
        places = ((i, frame) for i in there for frame in workspace.masklets.frames(i))
        carried = workspace.stored_masks(places)
        self._add(workspace, workspace.given_masks(there, {}), carried, len(there))

    def _add(self, workspace: Workspace, given: Changes, carried: Changes, n: int) -> None:
        if given:
            about = f"{n} object{'s' * (n != 1)}"
            workspace.history.record(Action.ADD_MASKS, {**carried, **given}, about)
            self.put(workspace, given)

    def carry_out(self, workspace: Workspace, step: PendingStep, changes: Changes) -> None:
        """Record changed values and put them in place; ask for masks that are not there."""
        step.record(workspace, changes)
        drawn = (key.place for key, value in changes.items() if key.kind == Kind.MARKS and value)
        unknown = {place for place in drawn if workspace.masklets.packed(*place) is None}
        self.put(workspace, changes)
        self._open_image()
        if self._network.is_open_on(workspace):
            for place in sorted(unknown):
                self._conversation.prompt(workspace, place, workspace.marks[place], step)

    def put(self, workspace: Workspace, changes: Changes) -> None:
        """Put values of the history in place, and tell the network."""
        self._alternatives.hide()
        workspace.take(changes)
        self._conversation.settle(workspace, changes)
        if not workspace.outputs.show(workspace.masklets.object_ids):
            self.noticed.emit(ONE_LAYER_FOR_ALL)
        workspace.outputs.refresh()
        if self._network.is_open_on(workspace):
            self._conversation.tell(workspace, changes)
        self.changed.emit()

    def put_history(self, workspace: Workspace, history: History) -> None:
        """Go on with another history, in place of what was done so far."""
        gone = dict.fromkeys(set(workspace.history.values) - set(history.values))
        workspace.history = history
        self._see_alike(workspace, history.settings)
        self.put(workspace, gone | history.values)
        self._open_image()

    def note_settings(self) -> None:
        """Write down with which network, and seen how, the masks are made from now on."""
        network, workspace = self._network, self._current()
        if workspace is None or not network.device or not network.is_open_on(workspace):
            return
        look = asdict(workspace.appearance)
        settings = Settings(network.model[0], network.dtype, **look)
        if workspace.history.settings != settings:
            about = f"{short_name(settings.model)} {settings.precision}".rstrip()
            workspace.history.note(Action.SETTINGS, about, {SETTINGS_KEY: settings})

    def _see_alike(self, workspace: Workspace, settings: Settings) -> None:
        """Let the network see the image as it did when the session was saved."""
        appearance = Appearance(**settings.appearance)
        if appearance != workspace.appearance:
            workspace.appearance = appearance
            self._network.outdate()
        if settings.model not in ("", self._network.model[0]):
            self.noticed.emit(
                f"The masks of this session were made by {short_name(settings.model)}; new ones "
                f"will be by {short_name(self._network.model[0])}, unless you choose that one."
            )
