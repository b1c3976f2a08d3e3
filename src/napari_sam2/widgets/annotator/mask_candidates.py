"""What else a single click can mean: chosen one after the other, the others outlined."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam2.annotation.drawn_prompts import Marks
from napari_sam2.annotation.history import Action, Key, Kind
from napari_sam2.layers.workspace import Workspace
from napari_sam2.widgets.annotator.pending_step import PendingStep, places
from napari_sam2.widgets.annotator.prompting import Conversation

if TYPE_CHECKING:
    from sam2_torch.masks import SparseMask

GHOSTS_MS = 6000
MASKS = 3  # that a click can mean


class Alternatives(QObject):
    """Goes through the masks that the shown click can mean.

    Parameters
    ----------
    conversation
        Asks the network.
    current
        Gives the image that is worked on; None if there is none.
    open_image
        Loads the network and the image unless they are open.

    Attributes
    ----------
    choice
        Which mask is taken, from 1, while the others are outlined; else 0.

    Signals
    -------
    changed
        It is another one.
    noticed
        A sentence for the user.
    """

    changed = Signal()
    noticed = Signal(str)

    def __init__(
        self,
        conversation: Conversation,
        current: Callable[[], Workspace | None],
        open_image: Callable[[], None],
    ) -> None:
        super().__init__()
        self.choice = 0
        self._conversation = conversation
        self._current = current
        self._open_image = open_image
        self._shown_on: Workspace | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hide)

    def choose_next(self) -> None:
        """Take the next mask of the current object's click in the shown frame."""
        workspace = self._current()
        frame = None if workspace is None else workspace.shown_frame
        if workspace is None or frame is None:
            return
        key = (workspace.current_object, frame)
        marks = workspace.marks.get(key, Marks())
        if marks != Marks(marks.clicks, choice=marks.choice) or len(marks.clicks) != 1:
            self.noticed.emit("There is a choice after a single click: whole, part or sub-part.")
            return
        self._open_image()
        choice = ((marks.choice or 0) + 1) % MASKS
        chosen = replace(marks, choice=choice or None)
        about = f"{places(workspace, [key])}, {choice + 1} of {MASKS}"
        step = PendingStep(Action.CHOOSE, about)
        changes = {Key(Kind.MARKS, *key): chosen}
        step.record(workspace, changes)
        workspace.take(changes)
        self._conversation.expect(workspace, [key], step)
        self._conversation.prompt(workspace, key, chosen, step)
        self._conversation.ask_alternatives(key, partial(self._show, workspace, frame, choice))

    def hide(self) -> None:
        """Show no outlines any more."""
        self._timer.stop()
        if self._shown_on is not None:
            self._shown_on.ghosts.hide()
            self._shown_on = None
        self._set_choice(0)

    def _set_choice(self, choice: int) -> None:
        if choice != self.choice:
            self.choice = choice
            self.changed.emit()

    def _show(
        self, workspace: Workspace, frame: int, choice: int, masks: "list[SparseMask]"
    ) -> None:
        if workspace is self._current():
            if self._shown_on is not workspace:
                self.hide()
            self._shown_on = workspace
            workspace.ghosts.show([mask for i, mask in enumerate(masks) if i != choice], frame)
            self._timer.start(GHOSTS_MS)
            self._set_choice(choice + 1)
