"""The sessions that were saved by themselves: listed, opened, and deleted when the user says so."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QFile, QItemSelectionModel, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QSpinBox,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.io.sessions.saved_sessions import SavedSession, saved_sessions, sessions_folder
from napari_sam2.widgets.controls.form_rows import button, row

if TYPE_CHECKING:
    from napari_sam2.widgets.annotator.annotator import Annotator

OLD_DAYS = 90
PATH = Qt.ItemDataRole.UserRole


class SavedSessions(QWidget):
    """A window with all saved sessions, the one that was changed last first.

    None is ever deleted but by this window: it goes to the trash of the system, or where there
    is none it stays. Those that are written at the moment cannot be deleted.

    Parameters
    ----------
    annotator
        Whose session a chosen one takes the place of.
    parent
        The window closes with it.
    trash
        Puts a file into the trash; returns whether that worked. Tests give their own.
    """

    def __init__(
        self,
        annotator: "Annotator",
        parent: QWidget,
        trash: Callable[[Path], bool] | None = None,
    ) -> None:
        super().__init__(parent, Qt.WindowType.Tool)
        self._annotator = annotator
        self._trash = trash or _to_trash
        self.setWindowTitle("Saved sessions")
        self.list = QTreeWidget()
        self.status = QLabel()
        self.days = QSpinBox()
        self.open = button(
            "Open", "Continue this session in place of the present one, which stays saved."
        )
        self.select_old = button(
            "Select older than", "Select all sessions that were not changed since."
        )
        self.delete = button("Delete", "Move the selected sessions to the trash.")
        self._arrange()
        self.list.itemSelectionChanged.connect(self._show_possible)
        self.list.itemDoubleClicked.connect(self._open)
        self.open.clicked.connect(self._open)
        self.select_old.clicked.connect(self._select_old)
        self.delete.clicked.connect(self._delete)
        annotator.closed.connect(self.close)

    def show_sessions(self) -> None:
        """Read which ones there are, on the thread for files, and show them."""
        self._annotator.sessions.files.submit(saved_sessions, then=self._list, topic="saved")
        self.show()
        self.raise_()

    def _arrange(self) -> None:
        self.list.setHeaderLabels(["Image", "Last change", "MB"])
        self.list.setRootIsDecorated(False)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        header = self.list.header()
        if header is not None:
            header.setStretchLastSection(False)
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.days.setRange(0, 3650)
        self.days.setValue(OLD_DAYS)
        self.days.setSuffix(" days")
        self.status.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.addWidget(self.list)
        layout.addWidget(self.status)
        layout.addLayout(row(self.select_old, self.days))
        layout.addLayout(row(self.open, self.delete))
        self.resize(420, 360)

    def _list(self, sessions: list[SavedSession]) -> None:
        own = self._annotator.sessions.own_files
        self.list.clear()
        for session in sessions:
            when = session.changed.astimezone().strftime("%Y-%m-%d %H:%M")
            text = [session.image or session.path.name, when, f"{session.n_bytes / 1e6:.1f}"]
            item = QTreeWidgetItem(text)
            item.setData(0, PATH, session)
            item.setToolTip(0, str(session.path))
            if session.path in own:
                item.setText(0, f"{text[0]} (in use)")
                item.setFlags(Qt.ItemFlag.ItemIsEnabled)
            self.list.addTopLevelItem(item)
        total = sum(session.n_bytes for session in sessions) / 1e6
        n = f"{len(sessions)} session{'s' * (len(sessions) != 1)}"
        self.status.setText(
            f"{n}, {total:.1f} MB, in {sessions_folder()}. They stay until you delete them."
        )
        self._show_possible()

    def _chosen(self) -> list[SavedSession]:
        return [item.data(0, PATH) for item in self.list.selectedItems()]

    def _show_possible(self) -> None:
        n = len(self._chosen())
        self.open.setEnabled(n == 1 and self._annotator.workspace is not None)
        self.delete.setEnabled(n > 0)
        self.delete.setText(f"Delete {n}" if n > 1 else "Delete")

    def _select_old(self) -> None:
        before = datetime.now(UTC) - timedelta(days=self.days.value())
        self.list.clearSelection()
        model, chosen = self.list.selectionModel(), QItemSelectionModel.SelectionFlag.Select
        for number in range(self.list.topLevelItemCount()):
            item = self.list.topLevelItem(number)
            if item is None or model is None or not item.flags() & Qt.ItemFlag.ItemIsSelectable:
                continue
            if item.data(0, PATH).changed < before:
                index = self.list.indexFromItem(item)
                model.select(index, chosen | QItemSelectionModel.SelectionFlag.Rows)

    def _open(self) -> None:
        chosen = self._chosen()
        if len(chosen) == 1 and self._annotator.workspace is not None:
            self._annotator.sessions.open(chosen[0].path)

    def _delete(self) -> None:
        paths = [session.path for session in self._chosen()]
        self._annotator.sessions.files.submit(lambda: self._put_away(paths), then=self._report_left)

    def _put_away(self, paths: Iterable[Path]) -> list[Path]:
        """Move files to the trash; return those that stay."""
        return [path for path in paths if not self._trash(path)]

    def _report_left(self, left: list[Path]) -> None:
        if left:
            names = ", ".join(path.name for path in left)
            self._annotator.noticed.emit(
                f"There is no trash for {names}: what is there stays. Delete it by hand in "
                f"{sessions_folder()}."
            )
        self.show_sessions()


def _to_trash(path: Path) -> bool:
    moved: object = QFile.moveToTrash(str(path))  # True, or with PyQt True and where it is
    return bool(moved[0] if isinstance(moved, tuple) else moved)
