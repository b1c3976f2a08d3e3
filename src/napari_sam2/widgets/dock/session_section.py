"""Undo and redo on top of the dock, and the section that saves and opens sessions."""

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QToolButton, QVBoxLayout, QWidget

from napari_sam2.io.sessions.session_files import SUFFIX
from napari_sam2.widgets.controls.form_rows import row, small_button
from napari_sam2.widgets.dock.saved_sessions_list import SavedSessions

if TYPE_CHECKING:
    from napari_sam2.widgets.annotator.annotator import Annotator

FILTER = f"Sessions (*{SUFFIX})"


class SessionSection(QWidget):
    """Undo and redo, save and open a session, and reopen what was done before.

    Parameters
    ----------
    annotator
        Whose session it is.

    Attributes
    ----------
    undo, redo
        Buttons that the dock shows on top, not in this section.
    """

    opened = Signal()

    def __init__(self, annotator: "Annotator") -> None:
        super().__init__()
        self._annotator = annotator
        self.reopen = small_button("Reopen", "")
        self.undo, self.redo = QToolButton(), QToolButton()
        for push, arrow, name in ((self.undo, "↶", "Undo"), (self.redo, "↷", "Redo")):
            push.setText(arrow)
            push.setAccessibleName(name)
        self.save = small_button(
            "Save…",
            "Save prompts, masks and all steps to a file. It is also saved automatically, a second "
            "after each step.",
        )
        self.open = small_button(
            "Open…",
            "Continue a session from a file in place of this one, which stays saved.",
        )
        self.saved = small_button(
            "Saved…",
            "List of the sessions that were saved automatically: open or delete them.",
        )
        self.window_of_saved = SavedSessions(annotator, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row(self.save, self.open, self.saved, self.reopen))
        self.reopen.clicked.connect(annotator.sessions.recover)
        self.undo.clicked.connect(lambda: annotator.work.edit.undo())
        self.redo.clicked.connect(lambda: annotator.work.edit.redo())
        self.save.clicked.connect(self._save)
        self.open.clicked.connect(self._open)
        self.saved.clicked.connect(self.window_of_saved.show_sessions)
        self.show_state()

    def show_state(self) -> None:
        """Show what can be undone, done again, and reopened."""
        annotator = self._annotator
        edit = annotator.work.edit if annotator.has_image else None
        undo_text, redo_text = (edit.undo_text, edit.redo_text) if edit else ("", "")
        for push, word, text in (
            (self.undo, "Undo", undo_text),
            (self.redo, "Redo", redo_text),
        ):
            push.setEnabled(bool(text))
            key = "Ctrl+Z" if push is self.undo else "Ctrl+Shift+Z"
            push.setToolTip(f"{word}: {text} ({key})" if text else f"{word} ({key})")
        self.save.setEnabled(bool(undo_text))
        self.open.setEnabled(annotator.workspace is not None)
        path = annotator.sessions.recoverable
        self.reopen.setVisible(path is not None)
        if path is not None:
            self.reopen.setToolTip(f"Continue the last session of this image: {path}")

    def _save(self) -> None:
        workspace = self._annotator.workspace
        if workspace is None:
            return
        name = f"{Path(workspace.image.name).stem}{SUFFIX}"
        path, _ = QFileDialog.getSaveFileName(self, "Save session", name, FILTER)
        if path:
            chosen = Path(path)
            whole = chosen if chosen.suffix else chosen.with_suffix(SUFFIX)
            self._annotator.sessions.save(whole)

    def _open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open session", "", FILTER)
        if path:
            self._annotator.sessions.open(Path(path))
            self.opened.emit()
