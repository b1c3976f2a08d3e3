"""Keeps up with the masks, a little at a time, and finds those with low confidence."""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_sam2.masks.mask_statistics import StatisticsTable
from napari_sam2.masks.quality import (
    ReviewTable,
    expected_iou,
    next_to_review,
    places_to_review,
)
from napari_sam2.widgets.annotator.annotator import Annotator
from napari_sam2.widgets.controls.timers import single_shot
from napari_sam2.widgets.objects.object_table import ObjectRow
from sam2_torch.models.registry import calibration_of

if TYPE_CHECKING:
    from napari_sam2.layers.workspace import Workspace

WAIT_MS = 80  # changes are gathered for so long
BUDGET_S = 0.006  # of the GUI thread, at a time
BATCH = 200  # masks between two looks at the clock


class Review(QObject):
    """The scores of all masks of the image that is open.

    Parameters
    ----------
    annotator
        Whose masks they are.

    Signals
    -------
    updated
        Doubts, or the objects, are different now.
    """

    updated = Signal()

    def __init__(self, annotator: Annotator) -> None:
        super().__init__()
        self._annotator = annotator
        self._workspace: Workspace | None = None
        self._changes: deque[tuple[int, int]] = deque()
        self._unread: deque[int] = deque()
        self.table: ReviewTable | None = None
        self._timer = single_shot(self, self._catch_up, WAIT_MS)
        annotator.changed.connect(self.start)
        annotator.progressed.connect(self.start)

    @property
    def is_up_to_date(self) -> bool:
        """Whether all that changed has been looked at."""
        return not (self._timer.isActive() or self._changes or self._unread)

    def start(self) -> None:
        """Catch up with what changed, in a moment."""
        if not self._timer.isActive():
            self._timer.start()

    def close(self) -> None:
        """Let go of the annotator."""
        self._timer.stop()
        self._annotator.changed.disconnect(self.start)
        self._annotator.progressed.disconnect(self.start)
        self._leave()

    def rows(self) -> list[ObjectRow]:
        """Say what there is of each object that there is now."""
        workspace = self._annotator.workspace
        if workspace is None:
            return []
        n_frames, lowest = self._summaries(workspace)
        records = [(i, workspace.objects.record(i)) for i in workspace.objects.ids]
        return [
            ObjectRow(
                object_id,
                record.name,
                record.category,
                n_frames.get(object_id, 0),
                lowest.get(object_id),
                record.is_locked,
                record.is_visible,
            )
            for object_id, record in records
        ]

    def _summaries(self, workspace: "Workspace") -> tuple[dict[int, int], dict[int, float]]:
        """Count the frames of each object, and find the lowest confidence of its masks."""
        if self.table is None or workspace is not self._workspace:
            return {}, {}
        ids, present = self.table.table.object_ids, self.table.table.statistics.present
        n_frames = dict(zip(ids, present.sum(1).tolist(), strict=True))
        lowest = dict(zip(ids, self.table.confidence.min(1).tolist(), strict=True))
        return n_frames, {i: least for i, least in lowest.items() if n_frames[i]}

    def expected_iou(self, object_id: int, frame: int | None) -> float | None:
        """Return the calibrated IoU of a prompted frame's mask; None if it is not known."""
        workspace = self._annotator.workspace
        calibration = calibration_of(self._annotator.network.model[0])
        place = object_id, -1 if frame is None else frame
        if workspace is None or calibration is None or place not in workspace.history.prompts:
            return None
        confidence = workspace.confidence.get(place)
        return confidence and float(expected_iou(confidence.iou, calibration))

    def n_low(self) -> int:
        """Count the places to look at."""
        return 0 if self.table is None else len(places_to_review(self.table.scores))

    def next_place(self, backward: bool = False) -> tuple[int, int] | None:
        """Return object id and frame of the next mask with low confidence."""
        workspace, table = self._workspace, self.table
        if workspace is None or table is None:
            return None
        frame = workspace.shown_frame
        row = table.table.row(workspace.current_object)
        here = (-1 if frame is None else frame, -1 if row is None else row)
        place = next_to_review(table.scores, here, backward=backward)
        return None if place is None else (table.table.object_ids[place[1]], place[0])

    def _catch_up(self) -> None:
        workspace = self._annotator.workspace
        if workspace is not self._workspace:
            self._leave()
            self._enter(workspace)
        if workspace is not None and self.table is not None:
            self.table.calibration = calibration_of(self._annotator.network.model[0])
            self._unread.extend(self.table.set_objects(workspace.objects.ids))
            self.table.set_given([*workspace.prompts, *workspace.locks])
            self._read(self.table)
        self.updated.emit()
        if self._changes or self._unread:
            self._timer.start()

    def _read(self, table: ReviewTable) -> None:
        """Read what changed, for as long as may be; the rest next time."""
        end = perf_counter() + BUDGET_S
        while self._unread:
            table.read(self._unread.popleft())
            if perf_counter() > end:
                return
        while self._changes:
            table.update(islice(self._taken(), BATCH))
            if perf_counter() > end:
                return

    def _taken(self) -> Iterator[tuple[int, int]]:
        while self._changes:
            yield self._changes.popleft()

    def _enter(self, workspace: "Workspace | None") -> None:
        self._workspace = workspace
        if workspace is not None:
            self._changes = workspace.masklets.watch()
            self.table = ReviewTable(
                StatisticsTable(workspace.masklets, workspace.confidence),
                workspace.geometry.n_planes,
            )

    def _leave(self) -> None:
        if self._workspace is not None:
            self._workspace.masklets.unwatch(self._changes)
        self._workspace, self.table = None, None
        self._changes = deque()
        self._unread.clear()
