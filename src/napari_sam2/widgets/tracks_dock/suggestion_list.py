"""The list of what may have happened: accepted or dismissed."""

from collections.abc import Callable, Sequence
from functools import partial

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_sam2.tracks.suggestions import Kind, Suggestion
from napari_sam2.widgets.controls.form_rows import button, row

_TEXTS = {
    Kind.DIVISION: "divides",
    Kind.DEATH: "dies, or is lost",
    Kind.LOST: "is lost: its mask jumps onto",
    Kind.EXIT: "leaves",
    Kind.ENTRY: "enters",
    Kind.DOUBLE: "has two masks",
}


class SuggestionList(QWidget):
    """Shows suggestions, and says what the user makes of them.

    Parameters
    ----------
    name
        Gets an object's name.

    Signals
    -------
    wanted
        Suggestions are to be looked for.
    shown
        A suggestion was clicked on.
    accepted
        A suggestion was accepted; it is not in the list any more.
    decided
        A suggestion was accepted or dismissed; comes before `accepted`.
    listed
        Other suggestions are in the list.
    """

    wanted = Signal()
    shown = Signal(object)
    accepted = Signal(object)
    decided = Signal(object)
    listed = Signal()

    def __init__(self, name: Callable[[int], str]) -> None:
        super().__init__()
        self._name = name
        self._dismissed: set[tuple[int, Kind, tuple[int, ...]]] = set()
        self.search = button("Find", "Find divisions, deaths, entries, exits and duplicates")
        self.accept = button("Accept", "Apply this suggestion")
        self.dismiss = button("Dismiss", "Reject this suggestion")
        self.list = QListWidget()
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.list.setToolTip("Possible events. Click one to go there.")
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.setMinimumHeight(90)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row(self.search, self.accept, self.dismiss))
        layout.addWidget(self.list)
        layout.addWidget(self.state)
        self.search.clicked.connect(self.wanted)
        self.accept.clicked.connect(partial(self._decide, True))
        self.dismiss.clicked.connect(partial(self._decide, False))
        self.list.currentItemChanged.connect(self._current_changed)
        self._sync()

    @property
    def suggestions(self) -> list[Suggestion]:
        """What is in the list."""
        items = (self.list.item(i) for i in range(self.list.count()))
        return [item.data(Qt.ItemDataRole.UserRole) for item in items if item is not None]

    def show_suggestions(self, suggestions: Sequence[Suggestion]) -> None:
        """List these, but for those that were dismissed before."""
        self.list.blockSignals(True)
        self.list.clear()
        for suggestion in suggestions:
            if _identity(suggestion) not in self._dismissed:
                self.list.addItem(self._item(suggestion))
        self.list.blockSignals(False)
        n = self.list.count()
        self.state.setText(f"{n} found." if n else "Nothing found that is not said already.")
        self._sync()
        self.listed.emit()

    def add_suggestions(self, suggestions: Sequence[Suggestion]) -> None:
        """List these too; what is there or was dismissed before is not listed again."""
        known = {_identity(each) for each in self.suggestions} | self._dismissed
        new = [each for each in suggestions if _identity(each) not in known]
        for suggestion in new:
            self.list.addItem(self._item(suggestion))
        if new:
            self.state.setText(f"{self.list.count()} found.")
            self.listed.emit()

    def forget(self) -> None:
        """Empty the list, and forget what was dismissed: of another image."""
        self._dismissed.clear()
        self.show_suggestions([])
        self.state.clear()

    def in_words(self, suggestion: Suggestion) -> str:
        """Say who does what, and how likely that is."""
        first, *others = (self._name(i) for i in suggestion.object_ids)
        text = f"{first} {_TEXTS[suggestion.kind]}"
        comma = " " if suggestion.kind is Kind.LOST else ", "
        text += f"{comma}{' and '.join(others)}" if others else ""
        return f"{text} ({suggestion.score:.0%})"

    def decide(self, suggestion: Suggestion, accepted: bool) -> None:
        """Accept or dismiss a suggestion that is in the list; nothing if it is not."""
        if suggestion in self.suggestions:
            self._take(self.suggestions.index(suggestion), accepted)

    def _item(self, suggestion: Suggestion) -> QListWidgetItem:
        item = QListWidgetItem(f"{suggestion.frame}: {self.in_words(suggestion)}")
        item.setData(Qt.ItemDataRole.UserRole, suggestion)
        item.setToolTip(item.text())
        return item

    def _decide(self, accepted: bool) -> None:
        if self.list.currentItem() is not None:
            self._take(self.list.currentRow(), accepted)

    def _take(self, row: int, accepted: bool) -> None:
        suggestion = self.suggestions[row]
        self._dismissed.add(_identity(suggestion))
        self.list.takeItem(row)
        self._sync()
        self.listed.emit()
        self.decided.emit(suggestion)
        if accepted:
            self.accepted.emit(suggestion)

    def _current_changed(self, item: QListWidgetItem | None) -> None:
        self._sync()
        if item is not None:
            self.shown.emit(item.data(Qt.ItemDataRole.UserRole))

    def _sync(self) -> None:
        for push in (self.accept, self.dismiss):
            push.setEnabled(self.list.currentItem() is not None)


def _identity(suggestion: Suggestion) -> tuple[int, Kind, tuple[int, ...]]:
    return suggestion.frame, suggestion.kind, suggestion.object_ids
