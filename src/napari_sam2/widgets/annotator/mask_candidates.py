"""Outlines of the candidate masks of a click that were not taken."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_sam2.layers.workspace import Workspace
from napari_sam2.widgets.controls.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Callable

    from sam2_torch.masks import SparseMask

SHOWN_MS = 6000
N_CANDIDATES = 3  # of an ambiguous click


class MaskCandidates(QObject):
    """Shows the candidates of a click for a while.

    Attributes
    ----------
    choice
        Number of the candidate that was taken, from 1 on, while the others are outlined; else 0.

    Signals
    -------
    changed
        `choice` changed.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.choice = 0
        self._hide: Callable[[], None] = _nothing
        self._timer = single_shot(self, self.hide)

    def show(
        self, workspace: Workspace, frame: int, choice: int, masks: "list[SparseMask]"
    ) -> None:
        """Outline the candidates on a frame but the one that was taken."""
        if self._hide != workspace.ghosts.hide:
            self.hide()
        self._hide = workspace.ghosts.hide
        workspace.ghosts.show([mask for i, mask in enumerate(masks) if i != choice], frame)
        self._timer.start(SHOWN_MS)
        self._set_choice(choice + 1)

    def hide(self) -> None:
        """Remove the outlines."""
        self._timer.stop()
        self._hide()
        self._hide = _nothing
        self._set_choice(0)

    def _set_choice(self, choice: int) -> None:
        if choice != self.choice:
            self.choice = choice
            self.changed.emit()


def _nothing() -> None:
    """Do nothing."""
