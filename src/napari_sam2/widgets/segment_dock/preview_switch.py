"""The switch for showing how an object would go on, and where the pictures of that go."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox

from napari_sam2.widgets.segment_dock.hint_bar import Heading

if TYPE_CHECKING:
    from napari_sam2.widgets.annotator.annotator import Annotator


class NeighbourSwitch(QCheckBox):
    """Whether pictures of the frames next to a prompt are wanted.

    Parameters
    ----------
    annotator
        Whose prompts they follow.
    heading
        Where they are shown.
    """

    def __init__(self, annotator: "Annotator", heading: Heading) -> None:
        super().__init__("Preview neighbours")
        self._annotator = annotator
        self._heading = heading
        self.setToolTip(
            "After each prompt, show how the object would go on in the next and the previous two "
            "frames: dashed outlines in the image, and pictures at the top of the dock. Nothing "
            "of it is kept; Propagate makes it real. The next prompt breaks it off."
        )
        self.toggled.connect(annotator.neighbours.want)
        heading.strip.pointed.connect(self._go_to)

    def show_found(self) -> None:
        """Show what was found by now."""
        workspace = self._annotator.workspace
        n_planes = 1 if workspace is None else workspace.geometry.n_planes
        self._heading.show_neighbours(self._annotator.neighbours.found, n_planes)

    def _go_to(self, frame: int) -> None:
        if self._annotator.workspace is not None:
            self._annotator.workspace.go_to(frame)
