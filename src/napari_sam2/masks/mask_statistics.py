"""Statistics of all objects in all frames, as arrays: areas, places and network scores."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_sam2.masks.masklets import Masklets

if TYPE_CHECKING:
    from napari_sam2.masks.masklets import Confidence


@dataclass(frozen=True)
class MaskStatistics:
    """Objects as rows, frames as columns, all (N, T).

    Parameters
    ----------
    known
        Whether there is a mask, possibly empty. Elsewhere all other values are 0 or NaN.
    given
        Whether the user prompted or locked the frame.
    area
        Pixels; 0 where the object is absent.
    row, column
        Centroid in pixels.
    at_border
        Whether the mask touches the border of the frame.
    iou, object_score
        The network's predicted IoU, 0 to 1, and object score (logit); NaN where it made none.
    """

    known: NDArray[np.bool_]
    given: NDArray[np.bool_]
    area: NDArray[np.float32]
    row: NDArray[np.float32]
    column: NDArray[np.float32]
    at_border: NDArray[np.bool_]
    iou: NDArray[np.float32]
    object_score: NDArray[np.float32]

    @classmethod
    def blank(cls, n_objects: int, n_frames: int) -> "MaskStatistics":
        """Return statistics without any known mask."""
        shape = (n_objects, n_frames)
        known, given, at_border = (np.zeros(shape, bool) for _ in range(3))
        area, row, column = (np.zeros(shape, np.float32) for _ in range(3))
        iou, object_score = (np.full(shape, np.nan, np.float32) for _ in range(2))
        return cls(known, given, area, row, column, at_border, iou, object_score)

    @property
    def shape(self) -> tuple[int, int]:
        """Return the numbers of objects and frames."""
        return self.known.shape[0], self.known.shape[1]

    @property
    def present(self) -> NDArray[np.bool_]:
        """Return where there is a mask with pixels, (N, T)."""
        return self.area > 0

    def frames(self, first: int, stop: int) -> "MaskStatistics":
        """Return a range of frames; the arrays are views."""
        return MaskStatistics(*(getattr(self, field.name)[:, first:stop] for field in fields(self)))

    def stacks(self, n_planes: int) -> "MaskStatistics":
        """Return the statistics with a row for each stack, (N * T / P, P), as views."""
        return MaskStatistics(
            *(getattr(self, field.name).reshape(-1, n_planes) for field in fields(self))
        )

    def objects(self, rows: slice) -> "MaskStatistics":
        """Return a range of objects; the arrays are views."""
        return MaskStatistics(*(getattr(self, field.name)[rows] for field in fields(self)))


class StatisticsTable:
    """Statistics that are updated with the masks, one object and frame at a time.

    Parameters
    ----------
    masklets
        Source of areas and places.
    confidence
        The network's scores by (object id, frame).

    Attributes
    ----------
    masklets
        As given.
    """

    def __init__(
        self, masklets: Masklets, confidence: "Mapping[tuple[int, int], Confidence]"
    ) -> None:
        self.masklets = masklets
        self._confidence = confidence
        self._rows: dict[int, int] = {}
        self._all = MaskStatistics.blank(0, masklets.n_frames)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Return the objects in the order of the rows."""
        return tuple(self._rows)

    @property
    def statistics(self) -> MaskStatistics:
        """Return the statistics; the arrays change with `update`."""
        return self._all.objects(slice(len(self._rows)))

    def row(self, object_id: int) -> int | None:
        """Return an object's row; None if it has none."""
        return self._rows.get(object_id)

    def set_objects(self, object_ids: Iterable[int]) -> list[int]:
        """Make these objects the rows, keeping the values of those that stay.

        Returns
        -------
        The new ones, whose values are unknown until `read`.
        """
        wanted = tuple(object_ids)
        if wanted == self.object_ids:
            return []
        before, rows = self._all, dict(self._rows)
        # room for as many again, so that objects that come one by one are not copied each time
        n_rows = max(len(wanted), before.shape[0])
        n_rows = n_rows if n_rows == before.shape[0] else 2 * n_rows
        self._all = MaskStatistics.blank(n_rows, self.masklets.n_frames)
        self._rows = {object_id: row for row, object_id in enumerate(wanted)}
        kept = [i for i in wanted if i in rows]
        old, new = [rows[i] for i in kept], [self._rows[i] for i in kept]
        for field in fields(MaskStatistics):
            getattr(self._all, field.name)[new] = getattr(before, field.name)[old]
        return [i for i in wanted if i not in rows]

    def read(self, object_id: int) -> None:
        """Update all frames of an object."""
        row = self._rows[object_id]
        for frame in np.flatnonzero(self._all.known[row]).tolist():
            self.update(frame, (object_id,))
        for frame in self.masklets.frames(object_id):
            self.update(frame, (object_id,))

    def update(self, frame: int, object_ids: Iterable[int]) -> None:
        """Update one frame of some objects; those without a row are skipped."""
        for object_id in object_ids:
            row = self._rows.get(object_id)
            if row is not None:
                self._read_mask(row, object_id, frame)

    def set_given(self, given: Iterable[tuple[int, int]]) -> list[int]:
        """Set on which (object id, frame) the user prompted or locked; return the changed rows."""
        before = self.statistics.given.copy()
        self._all.given[:] = False
        for object_id, frame in given:
            row = self._rows.get(object_id)
            if row is not None:
                self._all.given[row, frame] = True
        return np.flatnonzero((before != self.statistics.given).any(1)).tolist()

    def _read_mask(self, row: int, object_id: int, frame: int) -> None:
        table, at = self._all, (row, frame)
        outline = self.masklets.outline(object_id, frame)
        table.known[at] = outline is not None
        scores = self._confidence.get((object_id, frame)) if outline is not None else None
        table.iou[at], table.object_score[at] = scores or (np.nan, np.nan)
        if outline is None:
            table.area[at] = 0
            return
        table.area[at] = outline.area
        table.row[at], table.column[at] = outline.centroid_yx
        table.at_border[at] = outline.touches_border(self.masklets.frame_shape)
