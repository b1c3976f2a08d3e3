"""Steps of the history whose masks come later than what was asked for."""

from collections.abc import Iterable

from napari_sam2.annotation.drawn_prompts import ObjectFrame
from napari_sam2.annotation.history import Action, Changes, History
from napari_sam2.layers.workspace import Workspace


class PendingStep:
    """One step of the history; the network's answers are added to it as they come.

    Parameters
    ----------
    action, about
        What the user did.
    """

    def __init__(self, action: Action, about: str) -> None:
        self._action = action
        self._about = about
        self._history: History | None = None
        self._number: int | None = None

    def begin(self, workspace: Workspace) -> None:
        """Write down that it begins: whatever comes of it, an undo takes that back."""
        if self._number is not None:  # it is part of a step that was written down
            return
        self._history = workspace.history
        self._number = workspace.history.begin(self._action, self._about)

    def record(self, workspace: Workspace, changes: Changes) -> None:
        """Write down what is different; nothing happens if the step was undone meanwhile."""
        history = workspace.history
        if self._history not in (None, history):  # another session was opened
            return
        number = history.record(self._action, changes, self._about, self._number)
        if self._number is None and number is not None:
            self._history, self._number = history, number


def places(workspace: Workspace, keys: Iterable[ObjectFrame]) -> str:
    """Name the object and the frame, or tell how many masks there are."""
    named = [f"{workspace.objects.name(i)}, frame {frame}" for i, frame in keys]
    return named[0] if len(named) == 1 else f"{len(named)} masks"
