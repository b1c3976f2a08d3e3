"""The part of the dock that shows how an object would go on."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_sam2.widgets.neighbour_strip import NeighbourStrip

if TYPE_CHECKING:
    from napari_sam2.widgets.annotator import Annotator


class NeighbourSection(QWidget):
    """Pictures of the frames next to a prompt, and whether they are wanted.

    Parameters
    ----------
    annotator
        Whose prompts they follow.
    """

    def __init__(self, annotator: "Annotator") -> None:
        super().__init__()
        self._annotator = annotator
        self.wanted = QCheckBox("Preview neighbours")
        self.wanted.setToolTip(
            "After each prompt, show how the object would go on in the next and the previous two "
            "frames: dashed outlines in the image, and pictures here. Nothing of it is kept; "
            "Propagate makes it real. The next prompt breaks it off."
        )
        self.strip = NeighbourStrip()
        self.strip.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.wanted)
        layout.addWidget(self.strip)
        self.wanted.toggled.connect(self.strip.setVisible)
        self.wanted.toggled.connect(annotator.neighbours.want)
        self.strip.pointed.connect(self._go_to)

    def show_found(self) -> None:
        """Show what was found by now."""
        workspace = self._annotator.workspace
        self.strip.n_planes = 1 if workspace is None else workspace.geometry.n_planes
        self.strip.show_neighbours(self._annotator.neighbours.found)

    def _go_to(self, frame: int) -> None:
        if self._annotator.workspace is not None:
            self._annotator.workspace.go_to(frame)
