"""What is measured: each scenario is a function that lets all sides take turns."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
from figures import OURS, Figures
from references.protocol import FrameMasks, Movie, Setting, Side, Tracking
from timing import MEGABYTE, Deadline, Measured, MemoryGauge, Turns, now, take_turns

MEMORIES_FULL = 8  # from this frame on an object sees 7 memories
READ_AHEAD = 16  # frames after those that count: an engine that reads ahead must not run dry


@dataclass
class Arena:
    """The sides that compare themselves on one model.

    Attributes
    ----------
    setting
        What is the same for all of them.
    sides
        Those that could be built; ours is one of them.
    figures
        Where the results go.
    deadline
        When all must be over.
    pace
        Seconds for one object in one frame, as each side last showed them.
    """

    setting: Setting
    sides: Mapping[str, Side]
    figures: Figures
    deadline: Deadline
    pace: dict[str, float] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """Begins the figures' keys."""
        return self.setting.name

    def time(self, work: Callable[[], object]) -> Measured:
        """Time a piece of work, the device's part included."""
        start = now(self.setting.device)
        work()
        return Measured(now(self.setting.device) - start)

    def note(self, scope: str, figure: str, turns: Turns, scale: float = 1000) -> None:
        """Note the median of the turns, and the shortest if there are several."""
        for side, found in turns.measured.items():
            seconds = [one.seconds for one in found]
            self.figures.put(scope, side, figure, scale * median(seconds))
            if len(seconds) > 1:
                self.figures.put(scope, side, f"{figure}_min", scale * min(seconds))
        for side, reason in turns.failed.items():
            self.figures.miss(scope, side, [figure], reason)


def measure_encoding(arena: Arena, batch: int, repeats: int) -> None:
    """Measure the image encoder, ms for each image of a batch."""
    setting = arena.setting
    image = setting.normalised(setting.movie(1, 4)[0])
    images = image.expand(batch, -1, -1, -1).contiguous()

    def action(side: Side) -> Callable[[], Measured]:
        def turn() -> Measured:
            with side.precision():
                return arena.time(lambda: side.encode(images))

        return turn

    actions = {name: action(side) for name, side in arena.sides.items() if name != "legacy"}
    scope, figure = f"{arena.model}.encode", f"b{batch}_ms"
    turns = take_turns(actions, repeats, arena.deadline)
    arena.note(scope, figure, turns, 1000 / batch)
    arena.figures.compare(scope, figure, f"b{batch}_ratio", higher_is_better=False)


def measure_click(arena: Arena, repeats: int) -> None:
    """Measure one click at a new object until its mask is on the host, the frame encoded."""
    movie = arena.setting.movie(2, 4)

    def action(side: Side) -> Callable[[], Measured]:
        opened: list[Tracking] = []

        def turn() -> Measured:
            with side.precision():
                if not opened:  # the turn that warms up encodes the frame as well
                    opened.append(side.open(movie))
                    opened[0].click(movie.centre_yx(0))
                return arena.time(lambda: opened[0].click(movie.centre_yx(1)))

        return turn

    actions = {name: action(side) for name, side in arena.sides.items()}
    turns = take_turns(actions, repeats, arena.deadline)
    arena.note(arena.model, "click_ms", turns)
    arena.figures.compare(arena.model, "click_ms", "click_ratio", higher_is_better=False)


def measure_tracking(arena: Arena, n_objects: int, frames: range, repeats: int) -> None:
    """Measure how fast N objects are followed, and the memory that it takes.

    Parameters
    ----------
    arena
        Who.
    n_objects
        All prompted with a box in frame 0.
    frames
        Those whose time counts. If the first is 1, the clock starts with the propagation
        and the movie ends with the last. Else it starts when the frame before them is
        done, and the movie goes on after them for `READ_AHEAD` frames.
    repeats
        How many passes count after one that warms up.
    """
    scope = f"{arena.model}.n{n_objects}"
    movie = arena.setting.movie(frames.stop + (READ_AHEAD if frames.start > 1 else 0), n_objects)
    last: dict[str, FrameMasks] = {}

    def action(name: str, side: Side) -> Callable[[], Measured]:
        def turn() -> Measured:
            gauge = MemoryGauge(arena.setting.device)
            with side.precision():
                seconds, last[name] = _track(arena, side.open(movie), frames)
            arena.figures.put(scope, name, "ms_per_frame", 1000 * seconds / len(frames))
            arena.figures.save()  # a pass may take minutes
            return Measured(seconds, gauge.read())

        return turn

    work = n_objects * frames.stop
    turns = take_turns(
        {name: action(name, side) for name, side in arena.sides.items()},
        repeats,
        arena.deadline,
        {name: pace * work for name, pace in arena.pace.items()},
    )
    for name, found in turns.measured.items():
        longest = max(one.seconds for one in found)
        arena.pace[name] = longest / (n_objects * len(frames))
    _note_speed(arena, scope, n_objects, frames, turns)
    _note_memory(arena, scope, turns)
    _note_agreement(arena, scope, last)


def _track(arena: Arena, tracking: Tracking, frames: range) -> tuple[float, FrameMasks]:
    """Prompt and propagate; the seconds from before the first of the frames to the last."""
    device = arena.setting.device
    tracking.prompt()
    start = now(device)
    with closing(tracking.propagate()) as results:
        for result in results:
            if result.frame == frames.start - 1 > 0:
                start = now(device)
            if result.frame == frames.stop - 1:
                return now(device) - start, result
    raise RuntimeError(f"the propagation ended before frame {frames.stop - 1}")


def _note_speed(arena: Arena, scope: str, n_objects: int, frames: range, turns: Turns) -> None:
    figures = arena.figures
    figures.put(scope, OURS, "first_frame", frames.start)
    figures.put(scope, OURS, "timed_frames", len(frames))
    arena.note(scope, "ms_per_frame", turns, 1000 / len(frames))
    for side in (*turns.measured, *turns.failed):
        milliseconds = figures.get(scope, side, "ms_per_frame")
        if milliseconds is None:
            figures.miss(scope, side, ["object_fps"], turns.failed[side])
        else:
            figures.put(scope, side, "object_fps", 1000 * n_objects / milliseconds)
    figures.compare(scope, "object_fps", "ratio", higher_is_better=True)


def _note_memory(arena: Arena, scope: str, turns: Turns) -> None:
    for side, found in turns.measured.items():
        for kind in ("device", "host"):
            peaks = [getattr(one.memory, kind) for one in found]
            if None not in peaks:
                arena.figures.put(scope, side, f"{kind}_peak_mb", max(peaks) / MEGABYTE)
            elif kind == "host":
                why = "the system does not tell the peak of a process (Linux does)"
                arena.figures.miss(scope, side, ["host_peak_mb"], why)


def _note_agreement(arena: Arena, scope: str, last: Mapping[str, FrameMasks]) -> None:
    """Note the mean IoU of each reference's masks with ours in the last frame."""
    if OURS not in last or len(last) == 1:
        return
    ours = last[OURS].masks
    for name, result in last.items():
        if name == OURS:
            continue
        overlaps = [_iou(a, b) for a, b in zip(ours, result.masks, strict=True)]
        arena.figures.put(scope, name, "agreement_iou", float(np.mean(overlaps)))


def _iou(a: Any, b: Any) -> float:
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def measure_growth(arena: Arena, n_objects: int, lengths: tuple[int, int]) -> None:
    """Measure how the peaks of memory grow with the length of the movie, MB per 100 frames."""
    peaks: dict[tuple[str, str], list[float | None]] = {}
    scope = f"{arena.model}.n{n_objects}"
    for length in lengths:
        of_length = Arena(arena.setting, arena.sides, Figures(), arena.deadline, arena.pace)
        measure_tracking(of_length, n_objects, range(1, length), repeats=0)
        for side in arena.sides:
            for kind in ("device", "host"):
                peak = of_length.figures.get(scope, side, f"{kind}_peak_mb")
                peaks.setdefault((side, kind), []).append(peak)
                arena.figures.put(f"{scope}.t{length}", side, f"{kind}_peak_mb", peak)
        for key, why in of_length.figures.reasons.items():
            arena.figures.reasons[key.replace(scope, f"{scope}.t{length}")] = why
    for (side, kind), (short, long) in peaks.items():
        growth = None
        if short is not None and long is not None:
            growth = 100 * (long - short) / (lengths[1] - lengths[0])
        arena.figures.put(scope, side, f"{kind}_mb_per_100_frames", growth)


def measure_correction(arena: Arena, n_objects: int, n_frames: int, repeats: int) -> None:
    """Measure a click at one object in the middle of a tracked movie until all is followed anew.

    Each turn corrects another object of the same movie.
    """
    movie = arena.setting.movie(n_frames, n_objects)

    def action(side: Side) -> Callable[[], Measured]:
        opened: list[Tracking] = []
        corrected = iter(range(n_objects))

        def turn() -> Measured:
            with side.precision():
                if not opened:
                    opened.append(_tracked(side, movie))
                index = next(corrected)
                return arena.time(lambda: _drain(opened[0].correct(index, n_frames // 2)))

        return turn

    scope = arena.model
    arena.figures.put(scope, OURS, "correction_objects", n_objects)
    arena.figures.put(scope, OURS, "correction_frames", n_frames)
    turns = take_turns(
        {name: action(side) for name, side in arena.sides.items()},
        min(repeats, n_objects - 1),
        arena.deadline,
        {name: pace * n_objects * n_frames for name, pace in arena.pace.items()},
    )
    arena.note(scope, "correction_ms", turns)
    arena.figures.compare(scope, "correction_ms", "correction_ratio", higher_is_better=False)


def _tracked(side: Side, movie: Movie) -> Tracking:
    tracking = side.open(movie)
    tracking.prompt()
    _drain(tracking.propagate())
    return tracking


def _drain(results: Iterator[FrameMasks]) -> None:
    for _ in results:
        pass
