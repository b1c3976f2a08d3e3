"""The user's hand in the layers: whose the next mark is, what it says, and what is told of it."""

from collections.abc import Callable, Mapping

from qtpy.QtCore import QObject, Signal

from napari_sam2.layers.workspace import Listener, Workspace
from napari_sam2.widgets.annotator.object_commands import Edits
from napari_sam2.widgets.annotator.recorder import Steps
from napari_sam2.widgets.controls.key_table import key_of
from napari_sam2.widgets.controls.notices import ONE_LAYER_FOR_ALL


class Pen(QObject):
    """Chooses the object and the sign of the next mark, and takes the marks that are made.

    Parameters
    ----------
    current
        Gives the image that is worked on; None if there is none.
    steps, edit
        Where marks, and new objects, go.

    Signals
    -------
    changed
        The next mark is another one now.
    noticed
        A sentence for the user.
    """

    changed = Signal()
    noticed = Signal(str)

    def __init__(self, current: Callable[[], Workspace | None], steps: Steps, edit: Edits) -> None:
        super().__init__()
        self._current = current
        self._steps = steps
        self._edit = edit

    def new_object(self) -> None:
        """Start on another object, unless the current one is still empty."""
        workspace = self._current()
        if workspace is None:
            return
        if workspace.is_marked(workspace.current_object):
            self._edit.new()
            self.show_layer(workspace)
        else:
            name = workspace.objects.name(workspace.current_object)
            self.noticed.emit(f"{name} is still empty: click inside a cell first.")

    def select_object(self, object_id: int) -> None:
        """Choose whose the next prompts are."""
        workspace = self._current()
        if workspace is not None:
            workspace.current_object = object_id
            self.changed.emit()

    def set_label(self, label: int) -> None:
        """Choose whether the next click is positive (1) or negative (0)."""
        workspace = self._current()
        if workspace is not None:
            workspace.label = label
            self.changed.emit()

    def switch_label(self) -> None:
        """Make the next click negative if it would be positive, and the other way round."""
        workspace = self._current()
        if workspace is not None:
            self.set_label(1 - workspace.label)

    def show_layer(self, workspace: Workspace) -> None:
        """Make the current object's layer before its first mask comes."""
        if workspace is self._current() and not workspace.show_current():
            self.noticed.emit(ONE_LAYER_FOR_ALL)

    def listener(
        self, which: Callable[[], Workspace], keys: Mapping[str, Callable[[], None]]
    ) -> Listener:
        """Make whom a workspace tells what is drawn in its layers.

        Parameters
        ----------
        which
            Gives the workspace.
        keys
            Keys beside those of the pen, and what they do.
        """
        return Listener(
            marks=lambda marks, painted: self._steps.draw(which(), marks, painted),
            ignored=lambda: self._tell_ignored(which()),
            refused=lambda: self._tell_locked(which()),
            keys={
                key_of("switch_label"): self.switch_label,
                key_of("new_object"): self.new_object,
                "Control-Z": self._edit.undo,
                "Control-Shift-Z": self._edit.redo,
                **keys,
            },
        )

    def _tell_ignored(self, workspace: Workspace) -> None:
        others = workspace.geometry.place()
        place = f", or on another plane than {others}" if others else ""
        self.noticed.emit(
            f"That says nothing: it is outside of the image{place}. "
            "Take a point, a box, a polygon, an ellipse or a path."
        )

    def _tell_locked(self, workspace: Workspace) -> None:
        current, frame = workspace.current_object, workspace.shown_frame
        name = workspace.objects.name(current)
        if (current, frame) in workspace.locks:
            text = f"{name} is locked in this frame: unlock it first (key {key_of('lock_frame')})."
        elif workspace.objects.is_locked(current):
            text = f"{name} is locked: unlock it first (the padlock in the list)."
        else:
            text = "That is locked: unlock it first (the padlock in the list, or its frame)."
        self.noticed.emit(text)
