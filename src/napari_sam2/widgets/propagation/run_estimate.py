"""What a propagation would take, estimated before it starts."""

from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_sam2.annotation.drawn_prompts import ObjectFrame
from napari_sam2.annotation.prompted_session import Direction, prompted_places
from napari_sam2.widgets.annotator.annotator import Annotator
from napari_sam2.widgets.controls.timers import single_shot
from napari_sam2.widgets.inference.session_owner import Progress, SessionOwner
from sam2_torch.models.speed_records import duration

if TYPE_CHECKING:
    from sam2_torch.sessions.run_estimate import Estimate

WAIT_MS = 200  # a slider that is dragged asks many times
MANY_MASKS = 200_000  # beyond this, planning the run would keep the network waiting
GIB, MIB = 2**30, 2**20


class Preflight(QObject):
    """Finds out, on the network's thread, how much a run is.

    Time comes from the measured speed of the network on this device, times what the last run
    took in proportion to its own estimate; memory from the sizes of network and movie.

    Parameters
    ----------
    annotator
        Whose network it is.

    Signals
    -------
    estimated
        A line for the user, empty where there is nothing to propagate, and what else the tooltip
        says.
    """

    estimated = Signal(str, str)

    def __init__(self, annotator: Annotator) -> None:
        super().__init__()
        self._annotator = annotator
        self._seconds: float | None = None  # of the run that was asked for, by measured speeds
        self._slowness = 1.0  # of the last run, against those
        self._last: tuple[int, float] | None = None  # its objects, and seconds for each frame
        self._timer = single_shot(self, self._ask_network, WAIT_MS)
        self._asked: tuple[Direction, tuple[int, int] | None, Sequence[int] | None] | None = None

    def close(self) -> None:
        """Stop asking."""
        self._timer.stop()

    def note(self, progress: Progress) -> None:
        """Learn from a run how fast it goes."""
        if progress.seconds_per_frame is not None:
            self._last = len(progress.object_ids), progress.seconds_per_frame
            if self._seconds and progress.total:
                self._slowness = progress.seconds_per_frame * progress.total / self._seconds

    def ask(
        self,
        direction: Direction,
        frames: tuple[int, int] | None,
        object_ids: Sequence[int] | None,
    ) -> None:
        """Tell now what is known, and in a moment what the network says."""
        if self._annotator.propagation.is_running:
            return
        if not self._size(frames, object_ids)[0]:
            self._timer.stop()
            self.estimated.emit("", "")
            return
        self._report(frames, object_ids, None)
        self._asked = direction, frames, object_ids
        self._timer.start()

    def _ask_network(self) -> None:
        annotator = self._annotator
        if self._asked is None or not annotator.network.device or annotator.propagation.is_running:
            return
        _, frames, object_ids = self._asked
        n_objects, n_frames = self._size(frames, object_ids)
        if 0 < n_objects * n_frames <= MANY_MASKS:
            annotator.network.submit(
                partial(
                    estimate,
                    places=frozenset(annotator.work.history.prompts),
                    direction=self._asked[0],
                    frames=frames,
                    object_ids=object_ids,
                ),
                then=partial(self._report, frames, object_ids),
            )

    def _size(
        self, frames: tuple[int, int] | None, object_ids: Sequence[int] | None
    ) -> tuple[int, int]:
        """Count objects and frames."""
        workspace = self._annotator.workspace
        if workspace is None:
            return 0, 0
        drawn = {object_id for object_id, _ in workspace.prompts}
        first, stop = frames or (0, workspace.geometry.n_times)
        wanted = drawn if object_ids is None else drawn.intersection(object_ids)
        return len(wanted), (stop - first) * workspace.geometry.n_planes

    def _report(
        self,
        frames: tuple[int, int] | None,
        object_ids: Sequence[int] | None,
        found: "Estimate | None",
    ) -> None:
        n_objects, n_frames = self._size(frames, object_ids)
        size = f"{n_objects} object{'s' * (n_objects != 1)} in up to {n_frames} frames"
        time, details = "time unknown", ""
        self._seconds = None if found is None else found.seconds
        if self._seconds is not None:
            time = duration(self._seconds * self._slowness)
        elif self._last is not None and self._last[0] == n_objects:
            time = duration(self._last[1] * n_frames)
        if found is not None:
            details = f", and {_bytes(found.device_bytes)} on {self._annotator.network.device}"
        self.estimated.emit(f"{size}: {time}", details)


def estimate(
    owner: SessionOwner,
    places: Collection[ObjectFrame],
    direction: Direction,
    frames: tuple[int, int] | None,
    object_ids: Sequence[int] | None,
) -> "Estimate | None":
    """Estimate a run; on the network's thread.

    Returns
    -------
    None where nothing can be said: no image is open, nothing is prompted, the session was
    reopened and the network does not know its prompts yet, or planes and times are followed at
    once.
    """
    from sam2_torch.sessions.run_estimate import estimate_propagation, known_speed
    from sam2_torch.sessions.video_session import VideoSession

    session = owner.session
    if not isinstance(session, VideoSession):
        return None
    wanted = {object_id for object_id, _ in places}
    if object_ids is not None:
        wanted.intersection_update(object_ids)
    known = prompted_places(session, wanted)
    if not known or set(known) != {place for place in places if place[0] in wanted}:
        return None  # prompts of a session file, for example, are set when a run begins
    speed = known_speed(session.model)
    return estimate_propagation(session, direction, frames=frames, object_ids=wanted, speed=speed)


def _bytes(count: int) -> str:
    return f"{count / GIB:.1f} GB" if count >= GIB else f"{max(count / MIB, 1):.0f} MB"
