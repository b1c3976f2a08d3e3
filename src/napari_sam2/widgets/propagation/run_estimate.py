"""What a propagation would take, estimated before it starts."""

from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam2.annotation.drawn_prompts import ObjectFrame
from napari_sam2.annotation.prompted_session import Direction, prompted_places
from napari_sam2.widgets.annotator.annotator import Annotator
from napari_sam2.widgets.inference.session_owner import Progress, SessionOwner
from sam2_torch.models.speed_records import duration

if TYPE_CHECKING:
    from sam2_torch.sessions.run_estimate import Estimate

WAIT_MS = 200  # a slider that is dragged asks many times
MANY_MASKS = 200_000  # beyond this, planning the run would keep the network waiting
GIB, MIB = 2**30, 2**20


class Preflight(QObject):
    """Finds out, on the network's thread, how much a run is.

    Time comes from the last run, or from the measured speed of the network on this device;
    memory from the sizes of network and movie.

    Parameters
    ----------
    annotator
        Whose network it is.

    Signals
    -------
    estimated
        A line for the user; empty where there is nothing to carry on.
    """

    estimated = Signal(str)

    def __init__(self, annotator: Annotator) -> None:
        super().__init__()
        self._annotator = annotator
        self._seconds_per_mask: float | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WAIT_MS)
        self._timer.timeout.connect(self._ask_network)
        self._asked: tuple[Direction, tuple[int, int] | None, Sequence[int] | None] | None = None

    def close(self) -> None:
        """Stop asking."""
        self._timer.stop()

    def note(self, progress: Progress) -> None:
        """Learn from a run how fast it goes."""
        if progress.seconds_per_frame is not None:
            self._seconds_per_mask = progress.seconds_per_frame / max(len(progress.object_ids), 1)

    def ask(
        self,
        direction: Direction,
        frames: tuple[int, int] | None,
        object_ids: Sequence[int] | None,
    ) -> None:
        """Tell now what is known, and in a moment what the network says."""
        if not self._size(frames, object_ids)[0]:
            self._timer.stop()
            self.estimated.emit("")
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
        parts = ["1 object" if n_objects == 1 else f"{n_objects} objects"]
        parts[0] += f" in up to {n_frames} frames"
        seconds = None if found is None else found.seconds
        if self._seconds_per_mask is not None:
            seconds = self._seconds_per_mask * n_objects * n_frames
        parts.append("time known after a first run" if seconds is None else duration(seconds))
        if found is not None:
            parts.append(f"{_bytes(found.device_bytes)} on {self._annotator.network.device}")
        self.estimated.emit(", ".join(parts))


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
