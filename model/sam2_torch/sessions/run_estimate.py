"""Estimate time and memory of a propagation beforehand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sam2_torch.memory.memory_budget import (
    computing_bytes,
    kept_bytes,
    memory_bytes,
    objects_at_once,
)
from sam2_torch.memory.selection import FULL_MEMORY
from sam2_torch.models.speed_records import Speed, duration, read_speeds
from sam2_torch.sam2 import SAM2
from sam2_torch.sessions.propagation_plan import PropagationDirection, Run
from sam2_torch.sessions.video_session import VideoSession

GIGABYTE = 1e9


@dataclass(frozen=True)
class Estimate:
    """Time and memory of a propagation.

    Parameters
    ----------
    seconds
        None where the speed of the network on this device is not known.
    device_bytes
        Peak on the network's device: weights, cached embeddings, memories, computing.
    host_bytes
        On the host, mostly results.
    """

    seconds: float | None
    device_bytes: int
    host_bytes: int

    def __str__(self) -> str:
        time = "" if self.seconds is None else f"about {duration(self.seconds)}, "
        device, host = self.device_bytes / GIGABYTE, self.host_bytes / GIGABYTE
        return f"{time}up to {device:.1f} GB to compute and {host:.1f} GB for the masks"


def known_speed(model: SAM2) -> Speed | None:
    """Return the measured speed of a network on its device in its precision; None without one."""
    dtype = str(model.dtype).removeprefix("torch.")
    for speed in read_speeds(model.config):
        if (speed.device, speed.dtype) == (str(model.device), dtype):
            return speed
    return None


def estimate_propagation(
    session: VideoSession,
    direction: PropagationDirection = "both",
    *,
    frames: tuple[int, int] | None = None,
    object_ids: Iterable[int] | None = None,
    speed: Speed | None = None,
) -> Estimate:
    """Estimate time and memory of `VideoSession.propagate`.

    Parameters
    ----------
    session
        With the objects and their prompts.
    direction, frames, object_ids
        As for `propagate`.
    speed
        Of this network on this device (see `speed_records`); without it the time is None.

    Raises
    ------
    ValueError, KeyError
        As for `propagate`.

    Notes
    -----
    With crop windows each object is taken to have its own, so time and memory are upper limits.
    """
    model, embeddings = session.model, session.embeddings
    runs = session.runs(direction, frames=frames, object_ids=object_ids)
    visited = {frame for run in runs for frame in run.order()}
    n_objects = len({object_id for run in runs for object_id in run.frames})
    n_masks = sum(len(its) for run in runs for its in run.frames.values())
    n_images = len(visited) if session.crops is None else n_masks
    at_once = min(n_objects, objects_at_once(model.config, model.device, model.dtype))
    return Estimate(
        None if speed is None else _seconds(session, runs, n_images, visited, speed),
        sum(weight.nbytes for weight in model.parameters())
        + embeddings.bytes_with(n_images)
        + memory_bytes(model.config) * n_objects
        + computing_bytes(model.config, model.dtype) * at_once,
        kept_bytes(model.config, n_objects, n_masks),
    )


def _seconds(
    session: VideoSession, runs: Sequence[Run], n_images: int, visited: set[int], speed: Speed
) -> float:
    known = session.embeddings.n_known(visited) if session.crops is None else 0
    seconds = (n_images - known) * speed.encode_s
    for run in runs:
        prompted = {i: set(session.prompted_frames(i)) for i in run.frames}
        for frame in run.order():
            tracked = [i for i in run.objects_at(frame) if frame not in prompted[i]]
            steps = [run.frames[i].index(frame) for i in tracked]
            seconds += _step_seconds(steps, speed)
    return seconds


def _step_seconds(steps: Sequence[int], speed: Speed) -> float:
    """Estimate the time of one frame, given how many frames each object was tracked."""
    if not steps:
        return 0.0
    fullness = sum(min(1.0, step / FULL_MEMORY) for step in steps) / len(steps)
    first = speed.propagate_first_s + fullness * (speed.propagate_s - speed.propagate_first_s)
    share = first / speed.propagate_s if speed.propagate_s else 1.0
    return first + (len(steps) - 1) * speed.propagate_more_s * share
