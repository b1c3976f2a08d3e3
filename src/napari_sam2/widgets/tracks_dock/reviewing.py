"""The review of an image's tracks: fills the queue, and records what the user decides."""

from collections.abc import Callable, Iterable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam2.annotation.history import Action, Key, Kind
from napari_sam2.annotation.track_edits import lineage_of
from napari_sam2.masks.mask_statistics import StatisticsTable
from napari_sam2.tracks.review_queue import Check, ReviewItem, decided, review_queue
from napari_sam2.tracks.reviews import (
    WHOLE_TRACK,
    Place,
    Review,
    Reviews,
    draw_sample,
    error_rate,
    unreviewed_masks,
)
from napari_sam2.tracks.suggestions import Suggestion, joined, still_open, suggest
from napari_sam2.tracks.tracked_movie import Tracked
from napari_sam2.widgets.controls.background_job import Background
from napari_sam2.widgets.controls.timers import single_shot
from napari_sam2.widgets.tracks_dock.review_list import ReviewList

if TYPE_CHECKING:
    from napari_sam2.layers.workspace import Workspace
    from napari_sam2.masks.masklets import Confidence
    from napari_sam2.widgets.annotator.annotator import Annotator

SEARCH_AFTER_MS, REST = 1000, 5
"""From a change of the log to the next search, and so many times what the last one took."""


class Sample:
    """Masks drawn at random, and how many of them were wrong.

    Parameters
    ----------
    masks
        All masks that the sample stands for.
    places
        Those of the sample.
    """

    def __init__(self, masks: list[Place], places: list[Place]) -> None:
        self.masks, self.open = masks, list(places)
        self.right: list[Place] = []
        self.wrong: list[Place] = []

    @property
    def text(self) -> str:
        """Describe the result so far."""
        n = len(self.right) + len(self.wrong)
        if self.open:
            return f"Sample: {n} of {n + len(self.open)} masks checked, {len(self.wrong)} wrong."
        rate, low, high = error_rate(len(self.wrong), n)
        return (
            f"{len(self.wrong)} of {n} masks wrong: error rate {rate:.0%} (95 % interval {low:.0%} "
            f"to {high:.0%}) in {len(self.masks)} masks."
        )


class Reviewing(QObject):
    """Fills the review queue after each change, and records decisions in the log.

    Parameters
    ----------
    annotator
        Whose image it is.
    listing
        The list.
    tracked
        Returns the objects as they are now; None without an image.
    accept
        Applies a suggestion.

    Attributes
    ----------
    wait_ms
        From a change of the log to the next search.

    Signals
    -------
    shown
        An item that is looked at: the viewer goes there.
    failed
        The exception of a search.
    """

    shown = Signal(object)
    failed = Signal(object)

    def __init__(
        self,
        annotator: "Annotator",
        listing: ReviewList,
        tracked: Callable[[], Tracked | None],
        accept: Callable[[Suggestion], object],
    ) -> None:
        super().__init__()
        self._annotator, self._list = annotator, listing
        self._tracked, self._accept = tracked, accept
        self._workspace: Workspace | None = None
        self._began = self._took_s = 0.0
        self._searched: object = None  # the state for which the queue was filled last
        self._found: list[ReviewItem] = []
        self._sample: Sample | None = None
        self._random = np.random.default_rng()
        self._search = Background()
        self.wait_ms = SEARCH_AFTER_MS
        self._timer = single_shot(self, self._search_changed)
        self._search.finished.connect(self._show_found)
        self._search.failed.connect(self.failed)
        listing.wanted.connect(self.search)
        listing.shown.connect(self.shown)
        listing.decided.connect(self._decide)
        listing.fixing.connect(self._fix)
        listing.listed.connect(self._share)
        listing.sampling.connect(self._draw_sample)
        listing.accepting_rest.connect(self._accept_rest)
        annotator.suggestions.decided.connect(self._decide_suggestion)

    @property
    def is_searching(self) -> bool:
        """Whether the queue is not up to date."""
        return self._timer.isActive() or self._search.is_running

    def close(self) -> None:
        """Let go of the annotator."""
        self._timer.stop()
        self._search.close()
        self._annotator.suggestions.decided.disconnect(self._decide_suggestion)
        self._annotator.suggestions.show(())

    def sync(self) -> None:
        """Fill the queue in a moment, if the log or the image changed."""
        workspace = self._annotator.workspace
        if workspace is not self._workspace:
            self._workspace, self._sample, self._searched = workspace, None, None
            self._show([])
        if workspace is not None and _state(workspace) != self._searched:
            self._wait()

    def search(self) -> None:
        """Fill the queue."""
        workspace, tracked = self._annotator.workspace, self._tracked()
        if workspace is None or tracked is None:
            return
        job = partial(
            _find,
            tracked,
            dict(workspace.confidence),
            {place for place, drawn in workspace.prompts.items() if drawn} | workspace.locks,
            self._reviews(),
            self._proposed(workspace),
        )
        self._began = monotonic()
        if self._search.run(job):
            self._searched = _state(workspace)
        else:
            self._wait()

    def _wait(self) -> None:
        """Search in a moment; of many objects less often, since it takes long."""
        self._timer.start(max(self.wait_ms, int(1000 * REST * self._took_s)))

    def _search_changed(self) -> None:
        if self._annotator.propagation.is_running:  # its end is a change, too
            self._wait()
        else:
            self.search()

    def _proposed(self, workspace: "Workspace") -> list[Suggestion]:
        """Return the divisions that Track everything proposed and nobody decided on."""
        lineage = lineage_of(workspace.history.values)
        return still_open(workspace.proposed, workspace.objects.ids, lineage)

    def _reviews(self) -> Reviews:
        values = self._annotator.work.history.values
        return {key.place: value for key, value in values.items() if isinstance(value, Review)}

    def _show_found(self, found: list[ReviewItem]) -> None:
        self._took_s = monotonic() - self._began
        if self._searched is not None:  # else the image was left meanwhile
            self._show(found)

    def _show(self, found: list[ReviewItem]) -> None:
        self._found = found
        self._show_list()

    def _show_list(self) -> None:
        """List what was found, or the sample while one is checked."""
        sample = self._sample
        if sample is not None and sample.open:
            items = [ReviewItem(Check.SAMPLE, (f,), (i,), 0.0) for i, f in sample.open]
        else:
            items = self._found
        self._list.show_items(items)
        self._list.sample.setVisible(sample is None)
        self._list.rest.setVisible(sample is not None and not sample.open)
        if sample is not None:
            self._list.state.setText(sample.text)
        else:
            self._show_count()

    def _decide(self, item: ReviewItem, is_accepted: bool) -> None:
        """Record a decision, and apply the event if it was accepted."""
        suggestion = item.suggestion
        if self._sample is not None and item.reason is Check.SAMPLE:
            self._sample.open.remove(item.place)
            (self._sample.right if is_accepted else self._sample.wrong).append(item.place)
            self._show_list()
            return
        self._found = [each for each in self._found if each != item]
        if is_accepted and suggestion is not None:
            self._accept(suggestion)
        else:
            text = "accepted" if is_accepted else "rejected"
            self._record(
                decided(item, self._reviews()), f"{item.in_words(self._list.name)}: {text}"
            )
        proposed = self._annotator.work.workspace.proposed
        if suggestion in proposed:
            proposed.remove(suggestion)
        self._show_count()

    def _decide_suggestion(self, suggestion: Suggestion, is_accepted: bool) -> None:
        """Decide on a suggestion of the timeline."""
        for item in self._list.items:
            if item.suggestion == suggestion:
                self._list.take(item)
                self._decide(item, is_accepted)

    def _show_count(self) -> None:
        n = self._list.list.count()
        self._list.state.setText(f"{n} to check." if n else "Nothing to check.")

    def _fix(self, item: ReviewItem) -> None:
        self.shown.emit(item)
        self._annotator.work.workspace.prompt_with_points()

    def _draw_sample(self) -> None:
        tracked = self._tracked()
        if tracked is None:
            return
        wrong = {item.object_ids[0] for item in self._found}
        masks = unreviewed_masks(tracked.masklets, tracked.reviewed or (), wrong)
        if not masks:
            self._list.state.setText("Every mask that is not in the list is reviewed already.")
            return
        self._sample = Sample(masks, draw_sample(masks, self._random))
        self._show_list()
        self._list.go_on()

    def _accept_rest(self) -> None:
        """Record that all tracks without open items are right, but for those found wrong."""
        if self._sample is None:
            return
        wrong = {object_id for object_id, _ in self._sample.wrong}
        ids = sorted({object_id for object_id, _ in self._sample.masks} - wrong)
        about = f"{len(ids)} tracks; sample: {self._sample.text}"
        self._sample = None
        self._record({(i, WHOLE_TRACK): Review() for i in ids}, about)
        self._show_list()
        self._list.state.setText(f"Accepted {about}")

    def _record(self, reviews: Reviews, about: str) -> None:
        changes = {Key(Kind.REVIEW, *place): review for place, review in reviews.items()}
        work = self._annotator.work
        if work.history.record(Action.REVIEW, changes, about) is not None:
            work.apply(changes)

    def _share(self) -> None:
        """Let the timeline show the events in the list."""
        events = ((item.suggestion, item.in_words(self._list.name)) for item in self._list.items)
        self._annotator.suggestions.show(
            (suggestion, words) for suggestion, words in events if suggestion is not None
        )


def _state(workspace: "Workspace") -> tuple[int, int]:
    """Return numbers that change with the log, and with proposed divisions."""
    return len(workspace.history.entries), len(workspace.proposed)


def _find(
    tracked: Tracked,
    confidence: "dict[Place, Confidence]",
    given: set[Place],
    reviews: Reviews,
    proposed: Iterable[Suggestion],
    progress: Callable[[int, int], Any],
) -> list[ReviewItem]:
    table = StatisticsTable(tracked.masklets, confidence)
    for object_id in table.set_objects(tracked.masklets.object_ids):
        table.read(object_id)
    table.set_given(given)
    events = list(proposed)
    if tracked.axes == "TYX":  # planes have no events
        events = joined(events, suggest(table, tracked.lineage))
    return review_queue(table, events, reviews, tracked.n_planes)
