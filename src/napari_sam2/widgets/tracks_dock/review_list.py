"""The list of the review queue: what to check, the worst first."""

from collections.abc import Callable, Sequence
from functools import partial

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_sam2.tracks.review_queue import Check, ReviewItem
from napari_sam2.tracks.suggestions import Kind
from napari_sam2.widgets.controls.form_rows import button, row
from napari_sam2.widgets.controls.key_table import chosen_keys

_ENDS = "Accept: the track ends before this frame."
_EFFECTS = {
    Kind.DIVISION: "Accept: it divides here.",
    Kind.DEATH: _ENDS,
    Kind.EXIT: _ENDS,
    Kind.LOST: _ENDS,
    Kind.ENTRY: "Accept: its track begins in this frame.",
    Kind.DOUBLE: "Accept: both objects become one.",
    Check.SAMPLE: "Accept: the mask is right. Reject: it is wrong.",
}
_TO_CHECK = "Accept: it is right as it is. Fix: correct the mask with clicks."


class ReviewList(QWidget):
    """Lists the items of the queue.

    Parameters
    ----------
    name
        Returns the name of an object.

    Signals
    -------
    wanted
        The queue is to be filled again.
    shown
        An item is the current one: the viewer goes there.
    decided
        An item, and whether it was accepted; it is not in the list any more.
    fixing
        An item is to be corrected.
    sampling
        A random sample of the masks that are not in the list is wanted.
    accepting_rest
        All masks that are not in the list are accepted.
    listed
        Other items are in the list.
    """

    wanted = Signal()
    shown = Signal(object)
    decided = Signal(object, bool)
    fixing = Signal(object)
    sampling = Signal()
    accepting_rest = Signal()
    listed = Signal()

    def __init__(self, name: Callable[[int], str]) -> None:
        super().__init__()
        self.name = name
        keys = {key.action: key.shown for key in chosen_keys()}
        self.accept = button(
            "Accept", f"The line is right; go to the next one. Key {keys['accept_review']}."
        )
        self.reject = button(
            "Reject", f"The line is wrong; go to the next one. Key {keys['reject_review']}."
        )
        self.fix = button(
            "Fix", f"Go there, ready to click on the image. Key {keys['fix_review']}."
        )
        self.search = button("Find again", "Search all tracks; this also runs by itself.")
        self.sample = button(
            "Check a sample…",
            "Check 20 masks, drawn at random from those that are not in the list. Then all of "
            "them can be accepted at once, with a known error rate.",
        )
        self.rest = button("Accept the rest", "Accept all masks that are not in the list.")
        self.list = QListWidget()
        self.effect = QLabel()
        self.state = QLabel()
        self._arrange()
        self._connect()
        self.rest.hide()
        self._sync()

    @property
    def items(self) -> list[ReviewItem]:
        """The items in the list."""
        lines = (self.list.item(i) for i in range(self.list.count()))
        return [line.data(Qt.ItemDataRole.UserRole) for line in lines if line is not None]

    @property
    def current(self) -> ReviewItem | None:
        """The item that is looked at."""
        line = self.list.currentItem()
        return None if line is None else line.data(Qt.ItemDataRole.UserRole)

    def show_items(self, items: Sequence[ReviewItem]) -> None:
        """List other items; the current one stays the current one if it is still there."""
        place = None if self.current is None else (self.current.reason, self.current.place)
        self.list.blockSignals(True)
        self.list.clear()
        for item in items:
            line = QListWidgetItem(item.in_words(self.name))
            line.setData(Qt.ItemDataRole.UserRole, item)
            line.setToolTip(line.text())
            self.list.addItem(line)
            if (item.reason, item.place) == place:
                self.list.setCurrentItem(line)
        self.list.blockSignals(False)
        self._sync()
        self.listed.emit()

    def decide(self, is_accepted: bool) -> None:
        """Accept or reject the current item, and go on to the next one."""
        item, line = self.current, self.list.currentRow()
        if item is None:
            self.go_on()
            return
        if not is_accepted and not self.reject.isEnabled():
            return
        self.take(item)
        self.decided.emit(item, is_accepted)
        self.list.setCurrentRow(min(line, self.list.count() - 1))
        self._sync()

    def take(self, item: ReviewItem) -> None:
        """Take an item off the list."""
        self.list.blockSignals(True)
        self.list.takeItem(self.items.index(item))
        self.list.setCurrentRow(-1)
        self.list.blockSignals(False)
        self._sync()
        self.listed.emit()

    def fix_current(self) -> None:
        """Let the current item be corrected."""
        if self.current is not None:
            self.fixing.emit(self.current)

    def go_on(self) -> None:
        """Show the first item, if none is shown."""
        if self.current is None and self.list.count():
            self.list.setCurrentRow(0)

    def _arrange(self) -> None:
        for label, n_lines in ((self.effect, 2), (self.state, 3)):
            label.setWordWrap(True)
            label.setMinimumHeight(n_lines * label.fontMetrics().lineSpacing() + 4)
            label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.list.setToolTip("What to check, the worst first. Click a line to go there.")
        self.list.setWordWrap(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setMinimumHeight(110)
        layout = QVBoxLayout(self)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.effect)
        layout.addLayout(row(self.accept, self.reject, self.fix))
        layout.addLayout(row(self.search, self.sample, self.rest))
        layout.addWidget(self.state)

    def _connect(self) -> None:
        self.search.clicked.connect(self.wanted)
        self.sample.clicked.connect(self.sampling)
        self.rest.clicked.connect(self.accepting_rest)
        self.accept.clicked.connect(partial(self.decide, True))
        self.reject.clicked.connect(partial(self.decide, False))
        self.fix.clicked.connect(self.fix_current)
        self.list.currentItemChanged.connect(self._current_changed)

    def _current_changed(self, line: QListWidgetItem | None) -> None:
        self._sync()
        if line is not None:
            self.shown.emit(line.data(Qt.ItemDataRole.UserRole))

    def _sync(self) -> None:
        item = self.current
        for push in (self.accept, self.reject, self.fix):
            push.setEnabled(item is not None)
        if item is not None:
            is_check = isinstance(item.reason, Check) and item.reason is not Check.SAMPLE
            self.reject.setEnabled(not is_check)
            self.effect.setText(_EFFECTS.get(item.reason, _TO_CHECK))
        else:
            self.effect.setText("Click a line to see the place." if self.list.count() else "")
