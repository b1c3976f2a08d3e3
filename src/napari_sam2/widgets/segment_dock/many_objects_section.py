"""The part of the dock that makes objects of many boxes or of an existing Labels layer."""

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QCheckBox, QWidget

from napari_sam2.layers.prompt_layers.seed_layers import is_seeds, labels_of_frame
from napari_sam2.widgets.controls.form_rows import add_row, button, combo_box, form, row
from sam2_torch.label_images import masks_of_labels
from sam2_torch.masks import SparseMask

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_sam2.layers.workspace import Workspace
    from napari_sam2.widgets.annotator.annotator import Annotator

LARGEST_ID = 65535  # of the Labels layers that show masks
NEW_PER_BOX, ALL_FOR_CURRENT = "A new object each", "All for this object"


class SeedsSection(QWidget):
    """Many objects at once.

    Parameters
    ----------
    viewer
        Where the Labels layers are.
    annotator
        Who takes the objects.
    """

    def __init__(self, viewer: "ViewerModel", annotator: "Annotator") -> None:
        super().__init__()
        self._viewer = viewer
        self._annotator = annotator
        self.boxes = combo_box(
            "Whether each box that you draw makes a new object, or several boxes are parts of "
            "the current one.",
            [NEW_PER_BOX, ALL_FOR_CURRENT],
        )
        self.labels = combo_box(
            "A Labels layer of another program (Cellpose, StarDist, …) or drawn by hand."
        )
        self.take = button(
            "Make objects",
            "Each label in the frame that is shown becomes an object, and its mask a prompt.",
        )
        self.keep_ids = QCheckBox("Keep numbers")
        self.keep_ids.setToolTip(
            "Objects get the numbers of the labels; where a number is in use, a new one."
        )
        self.keep_ids.setChecked(True)
        layout = form()
        add_row(layout, "Boxes", self.boxes)
        add_row(layout, "Labels", self.labels)
        layout.addRow(row(self.keep_ids, self.take))
        self.setLayout(layout)
        self.boxes.activated.connect(self._boxes_chosen)
        self.take.clicked.connect(self._take)
        self._events = (viewer.layers.events.inserted, viewer.layers.events.removed)
        for emitter in self._events:
            emitter.connect(self._fill)
        self._fill()

    def release(self) -> None:
        """Let go of the viewer."""
        for emitter in self._events:
            emitter.disconnect(self._fill)

    def show_state(self) -> None:
        """Show what is chosen for the image that is worked on."""
        is_new_each = self._annotator.work.workspace.new_object_per_box
        self.boxes.setCurrentIndex(0 if is_new_each else 1)

    def _fill(self) -> None:
        before = self.labels.currentData()
        layers = [layer for layer in self._viewer.layers if is_seeds(layer)]
        with QSignalBlocker(self.labels):
            self.labels.clear()
            for layer in layers:
                self.labels.addItem(layer.name, layer)
            if before in layers:
                self.labels.setCurrentIndex(layers.index(before))
        self.take.setEnabled(bool(layers))

    def _boxes_chosen(self, index: int) -> None:
        self._annotator.work.workspace.new_object_per_box = index == 0

    def _take(self) -> None:
        workspace, layer = self._annotator.work.workspace, self.labels.currentData()
        frame = workspace.shown_frame
        if frame is None:
            self._annotator.noticed.emit(
                "Go to a frame of the movie first: the viewer shows another plane."
            )
            return
        self._annotator.sessions.files.submit(
            partial(_read, layer, workspace, frame),
            then=partial(self._make, workspace, frame, layer.name),
        )

    def _make(
        self, workspace: "Workspace", frame: int, name: str, masks: dict[int, SparseMask]
    ) -> None:
        if workspace is not self._annotator.workspace:
            return
        if not masks:
            self._annotator.noticed.emit(f"{name} has no label in frame {frame}.")
            return
        ids = object_ids(workspace, masks, self.keep_ids.isChecked())
        self._annotator.work.add_masks({ids[label]: {frame: mask} for label, mask in masks.items()})
        self._annotator.open()
        if self.keep_ids.isChecked():
            self._report_renumbered(ids)

    def _report_renumbered(self, ids: dict[int, int]) -> None:
        other = {label: object_id for label, object_id in ids.items() if label != object_id}
        if other:
            some = ", ".join(f"{label} is object {i}" for label, i in list(other.items())[:3])
            self._annotator.noticed.emit(
                f"{len(other)} of {len(ids)} numbers could not be kept (only free ones from 1 to "
                f"{LARGEST_ID} can): {some}{', …' if len(other) > 3 else '.'}"
            )


def object_ids(workspace: "Workspace", labels: dict[int, SparseMask], keep: bool) -> dict[int, int]:
    """Choose the object of each label.

    Returns
    -------
    Object id by label: the label itself if it is to be kept and no object of that number has
    been worked on; else a new one.
    """
    free = {
        label
        for label in labels
        if keep and 0 < label <= LARGEST_ID and not workspace.is_begun(label)
    }
    others = [label for label in labels if label not in free]
    new = (i for i in workspace.new_ids() if i not in free)
    return {label: label for label in free} | dict(zip(others, new, strict=False))


def _read(layer: "Labels", workspace: "Workspace", frame: int) -> dict[int, SparseMask]:
    return masks_of_labels(labels_of_frame(layer, workspace.geometry, frame))
