"""Embeddings on disk, from the dock: kept, made ahead of time, and deleted."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_sam2.widgets.annotator.annotator import Annotator
from napari_sam2.widgets.model.model_section import ModelSection

if TYPE_CHECKING:
    from napari_sam2.widgets.inference.session_owner import SessionOwner


class EmbeddingActions(QObject):
    """Connects the entries on embeddings in the menu of the model section.

    Parameters
    ----------
    section
        Where the entries and the progress are shown.
    annotator
        Whose embeddings they are.
    """

    def __init__(self, section: ModelSection, annotator: Annotator) -> None:
        super().__init__()
        self._section = section
        self._annotator = annotator
        self._is_running = self._is_stopped = False
        for signal, slot in self._connections():
            signal.connect(slot)
        self._sync()

    def release(self) -> None:
        """Let go of the annotator; what runs stops after its frame."""
        self._is_stopped = True
        for signal, slot in self._connections():
            signal.disconnect(slot)

    def _connections(self) -> list[tuple[Any, Callable[..., None]]]:
        section, annotator = self._section, self._annotator
        return [
            (annotator.changed, self._sync),
            (annotator.failed, self._fail),
            (section.keep_embeddings.toggled, self._keep),
            (section.embed.triggered, self._embed_or_stop),
            (section.clear_embeddings.triggered, self._clear),
        ]

    def _sync(self) -> None:
        is_open = bool(self._annotator.network.device) and not self._annotator.network.is_loading
        self._section.embed.setEnabled(is_open or self._is_running)
        self._section.embed.setText(
            "Stop encoding" if self._is_running else "Encode all frames now"
        )

    def _keep(self, keep: bool) -> None:
        self._annotator.network.submit(
            lambda owner: owner.keep_embeddings(keep), then=self._show_sentence
        )

    def _embed_or_stop(self) -> None:
        if self._is_running:
            self._is_stopped = True
            return
        self._is_running, self._is_stopped = True, False
        self._show_sentence("Encoding …")
        self._annotator.network.stream(self._steps, each=self._show, then=self._end)
        self._sync()

    def _steps(self, owner: "SessionOwner") -> Iterator[tuple[int, int]]:
        """Encode frame by frame, until there are no more or the user has had enough."""
        for step in owner.embed():
            yield step
            if self._is_stopped:
                return

    def _show(self, step: tuple[int, int]) -> None:
        done, total = step
        self._section.bar.show()
        self._section.show_progress(done, total)
        self._show_sentence(f"{done} of {total} frames encoded")

    def _end(self, completed: bool) -> None:
        stopped = self._is_stopped or not completed
        self._finish("Stopped; what is encoded stays." if stopped else "All frames are encoded.")

    def _fail(self, error: Exception) -> None:
        if self._is_running and not self._annotator.worker.is_streaming:  # else it was a prompt
            self._finish(f"Not encoded: {error}")

    def _finish(self, text: str) -> None:
        self._is_running = False
        self._section.bar.hide()
        self._show_sentence(text)
        self._sync()

    def _clear(self) -> None:
        self._annotator.network.submit(
            lambda owner: owner.clear_embeddings(),
            then=lambda freed: self._show_sentence(f"{freed / 1e6:.0f} MB of embeddings deleted."),
        )

    def _show_sentence(self, text: str) -> None:
        self._section.show_text(self._section.status, text)
