"""Suggested corrections that the user has not decided on, for the list and the timeline."""

from collections.abc import Iterable

from qtpy.QtCore import QObject, Signal

from napari_sam2.tracks.suggestions import Suggestion


class OpenSuggestions(QObject):
    """Holds suggestions with their texts, by object and frame.

    Signals
    -------
    changed
        The suggestions changed.
    decided
        A suggestion, and whether it was accepted; it stays until others are shown.
    """

    changed = Signal()
    decided = Signal(object, bool)

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[tuple[int, int], tuple[Suggestion, str]] = {}

    @property
    def words(self) -> dict[tuple[int, int], str]:
        """Texts of the suggestions, by object id and frame."""
        return {place: words for place, (_, words) in self._open.items()}

    def show(self, suggestions: Iterable[tuple[Suggestion, str]]) -> None:
        """Replace the suggestions; of two for one object and frame the higher score is kept."""
        shown: dict[tuple[int, int], tuple[Suggestion, str]] = {}
        for suggestion, words in sorted(suggestions, key=lambda each: each[0].score):
            shown[suggestion.object_ids[0], suggestion.frame] = (suggestion, words)
        if shown != self._open:
            self._open = shown
            self.changed.emit()

    def decide(self, object_id: int, frame: int, accepted: bool) -> None:
        """Accept or dismiss the suggestion for an object and frame, if there is one."""
        suggestion, _ = self._open.get((object_id, frame), (None, ""))
        if suggestion is not None:
            self.decided.emit(suggestion, accepted)
