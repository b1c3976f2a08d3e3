"""The panel of the current object's track: divide, cut, split, end, swap, merge, link."""

from collections.abc import Mapping

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_sam2.annotation.daughters import Seeding
from napari_sam2.tracks.lineage import Lineage
from napari_sam2.widgets.controls.form_rows import add_row, button, combo_box, form, row
from napari_sam2.widgets.controls.icons import swatch

DIVIDE_KEY = "D"


class LineageSection(QWidget):
    """Shows where an object comes from and goes to, and has a button for each operation.

    Signals
    -------
    divided, cut, split, ended
        Asked for, of the current object in the shown frame.
    swapped, merged, linked
        Asked for, with another object: the one that is chosen.
    unlinked
        The current object is to be without a mother.
    selected
        Another object is to be the current one.
    tracks_toggled
        Whether the Tracks layer is to be shown.
    tree_wanted
        The lineage tree is to be opened.
    """

    divided = Signal()
    cut = Signal()
    split = Signal()
    ended = Signal()
    swapped = Signal(int)
    merged = Signal(int)
    linked = Signal(int)
    unlinked = Signal()
    selected = Signal(int)
    tracks_toggled = Signal(bool)
    tree_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[int, str] = {}
        self.current = combo_box("The current object, to which new prompts belong")
        self.family = QLabel()
        self.divide = button(
            f"Divides here ({DIVIDE_KEY})",
            "The object ends before this frame; two daughters begin in it and are propagated.",
        )
        self.seeding = combo_box(
            "The first prompts of the daughters. “The network's own masks” are two of its "
            "candidates for a click into each half that do not overlap.",
            list(Seeding),
        )
        self.remember = QCheckBox("Keep the mother's memory")
        self.remember.setToolTip(
            "The daughters begin with the network's memory of their mother. Off is better wherever "
            "it was measured: with it, each mask tends to cover both daughters."
        )
        self.cut_here = button("Cut", "From this frame on the object is a new one.")
        self.split_here = button(
            "Split", "Split two cells that share one object, from this frame on."
        )
        self.end_here = button("Ends here", "This is its last frame: it dies, or leaves the image.")
        self.other = combo_box("The other object")
        self.swap = button("Swap", "Exchange the two objects from this frame on.")
        self.merge = button("Merge", "Merge both objects into the current one.")
        self.link = button(
            "Daughter of other", "The current object is a daughter of the other one."
        )
        self.unlink = button(
            "Not a daughter", "The current object is not a daughter of any object."
        )
        self.tracks = QCheckBox("Show tracks in the viewer")
        self.tree = button(
            "Open the lineage tree", "All tracks and divisions over time, below the image"
        )
        self._arrange()
        self._connect()

    def show_objects(
        self, names: Mapping[int, str], current: int | None, tracks: Lineage, frame: int | None
    ) -> None:
        """Show the objects and the current one's family.

        Parameters
        ----------
        names
            All objects.
        current
            The current one.
        tracks
            Where those with masks begin and end.
        frame
            The frame that the viewer shows.
        """
        self._fill(dict(names), current)
        known = current is not None and current in tracks
        for push in (self.divide, self.cut_here, self.split_here, self.end_here):
            push.setEnabled(known and frame is not None)
        for push in (self.swap, self.merge, self.link):
            push.setEnabled(known and len(names) > 1)
        has_mother = known and current is not None and bool(tracks[current].parent)
        self.unlink.setEnabled(has_mother)
        self.family.setText(_family(self._names, current, tracks))

    def _fill(self, names: dict[int, str], current: int | None) -> None:
        other = self.other.currentData()
        if names != self._names or current != self.current.currentData():
            self._names = names
            for combo, chosen in ((self.current, current), (self.other, other)):
                combo.blockSignals(True)
                combo.clear()
                for object_id, name in names.items():
                    if combo is self.current or object_id != current:
                        combo.addItem(swatch(object_id), name, object_id)
                index = combo.findData(chosen)  # the current one may not be there yet
                combo.setCurrentIndex(index if combo is self.current else max(0, index))
                combo.blockSignals(False)

    def _arrange(self) -> None:
        self.family.setWordWrap(True)
        self.family.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.family.setMinimumHeight(2 * self.family.fontMetrics().lineSpacing() + 4)
        self.tracks.setToolTip(
            "A Tracks layer that follows the masks. While it is the selected layer, a click on a "
            "track selects its object."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        fields = form()
        add_row(fields, "Object", self.current)
        layout.addLayout(fields)
        layout.addWidget(self.family)
        layout.addWidget(self.divide)
        fields = form()
        add_row(fields, "Daughters", self.seeding)
        layout.addLayout(fields)
        layout.addWidget(self.remember)
        layout.addLayout(row(self.cut_here, self.split_here, self.end_here))
        fields = form()
        add_row(fields, "Other object", self.other)
        layout.addLayout(fields)
        layout.addLayout(row(self.swap, self.merge))
        layout.addLayout(row(self.link, self.unlink))
        layout.addWidget(self.tracks)
        layout.addWidget(self.tree)

    def _connect(self) -> None:
        self.divide.clicked.connect(self.divided)
        self.cut_here.clicked.connect(self.cut)
        self.split_here.clicked.connect(self.split)
        self.end_here.clicked.connect(self.ended)
        self.unlink.clicked.connect(self.unlinked)
        for push, signal in (
            (self.swap, self.swapped),
            (self.merge, self.merged),
            (self.link, self.linked),
        ):
            push.clicked.connect(lambda _, signal=signal: self._with_other(signal))
        self.current.activated.connect(
            lambda index: self.selected.emit(self.current.itemData(index))
        )
        self.tracks.toggled.connect(self.tracks_toggled)
        self.tree.clicked.connect(self.tree_wanted)

    def _with_other(self, signal: "Signal") -> None:
        other = self.other.currentData()
        if other is not None:
            signal.emit(other)  # type: ignore[attr-defined]


def _family(names: Mapping[int, str], current: int | None, tracks: Lineage) -> str:
    if current is None or current not in tracks:
        return "No mask yet: click inside a cell first."
    track = tracks[current]
    text = f"Frames {track.begin} to {track.end}."
    if track.parent:
        text += f" Daughter of {names.get(track.parent, track.parent)}."
    daughters = [names.get(i, str(i)) for i in tracks.daughters(current)]
    if daughters:
        text += f" Divides into {' and '.join(daughters)}."
    return text
