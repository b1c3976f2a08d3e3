"""Measure how quickly the napari interface answers.

    python benchmarks/interface.py [--json FILE] [--objects N] [--frames T] [--side PX]

On a screen, or under `xvfb-run -a -s "-screen 0 1400x950x24"`. Software OpenGL counts fully: a
repaint of the canvas alone is some 25 ms there. Four parts:

- `napari`: the same movie going by in napari alone, without the plugin: what the machine can do.
- `click`: from the press of the mouse button to the mask being drawn, frame encoded before.
- `propagation`: how long the event loop stood still while masks were propagated, in one layer
  per object and in one layer for all; `stall` on the clock, `work` in CPU time of the GUI's
  thread.
- `scrub`: frames a second when going through a movie with many objects, and the time that the
  list of objects and the timeline take to be drawn.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import napari
import numpy as np
from event_loop import EventLoopWatchdog
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_sam2.masks.masklets import Confidence
from napari_sam2.sample_data import sample_dividing_nuclei
from napari_sam2.widgets.annotator.propagation import GATHER_MS
from napari_sam2.widgets.dock.dock import Sam2Dock
from sam2_torch.masks import SparseMask

NUCLEI = ((25, 110), (109, 20), (87, 195), (154, 193))
N_FRAMES = 12  # of a propagation
N_CLICKS = 8
N_PLAIN = 60  # frames that napari alone shows
SCRUB_S = 8


def measure_napari(viewer: Any) -> dict[str, Any]:
    """Show the frames of the movie one after the other, and watch the event loop."""
    pump(1)
    watchdog = EventLoopWatchdog()
    for i in range(N_PLAIN):
        viewer.dims.set_point(0, (i + 1) % N_FRAMES)
        pump(GATHER_MS / 1000)
    return watchdog.end()


def measure_clicks(dock: Sam2Dock, viewer: Any) -> dict[str, float]:
    """Click on nuclei with the mouse, and wait until their masks are drawn."""
    canvas = viewer.window._qt_viewer.canvas.native
    shown: list[float] = []

    def draw(_: Any) -> None:
        canvas.repaint()
        shown.append(time.perf_counter())

    answered = dock.annotator.work.answered
    answered.connect(draw)
    times = []
    for i in range(N_CLICKS):
        y, x = NUCLEI[i % len(NUCLEI)]
        shown.clear()
        at = on_canvas(viewer, canvas, y + i // len(NUCLEI) * 3, x)
        QTest.mouseMove(canvas, at)
        pump(0.1)
        begin = time.perf_counter()
        QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=at)
        wait(lambda: bool(shown), 60)
        times.append(1000 * (shown[0] - begin))
        wait(lambda: not dock.annotator.worker.is_busy, 60)
        if i < len(NUCLEI) - 1:
            dock.objects.new.click()
    answered.disconnect(draw)
    later = times[len(NUCLEI) :]  # the first of each object makes its layer
    return {
        "first_ms": round(times[0]),
        "new_object_ms": round(statistics.median(times[1 : len(NUCLEI)])),
        "median_ms": round(statistics.median(later)),
        "max_ms": round(max(later)),
    }


def measure_propagation(dock: Sam2Dock, per_object: bool) -> dict[str, Any]:
    """Propagate, and watch the event loop."""
    dock.annotator.work.set_per_object(per_object)
    dock.propagation.range.setValue((0, N_FRAMES - 1))
    pump(1)
    watchdog = EventLoopWatchdog()
    begin = time.perf_counter()
    dock.propagation.run.click()
    wait(lambda: not dock.annotator.propagation.is_running, 300)
    figures = watchdog.end()
    return figures | {"seconds": round(time.perf_counter() - begin, 1)}


def measure_scrub(n_objects: int, n_frames: int, side_px: int) -> dict[str, Any]:
    """Go through a movie with many objects, whose masks are there already."""
    with window() as viewer:
        movie = np.random.default_rng(0).integers(0, 255, (8, side_px, side_px), np.uint8)
        frames = np.broadcast_to(movie[0], (n_frames, side_px, side_px))
        viewer.add_image(frames, name="movie")
        viewer.dims.set_point(0, 0)
        dock = Sam2Dock(viewer)
        viewer.window.add_dock_widget(dock, name="Segment and track")
        workspace = dock.annotator.workspace
        assert workspace is not None
        fill(workspace, n_objects, n_frames, side_px)
        dock.annotator.work.set_per_object(False)
        begin = time.perf_counter()
        dock.annotator.changed.emit()
        wait(lambda: dock.segment.review.is_up_to_date, 120)
        read_s = time.perf_counter() - begin
        watchdog = EventLoopWatchdog()
        canvas = viewer.window._qt_viewer.canvas.native
        begin, n_shown, frame = time.perf_counter(), 0, 0
        while time.perf_counter() - begin < SCRUB_S:
            frame = (frame + 1) % n_frames
            viewer.dims.set_point(0, frame)
            canvas.repaint()  # or frames would be left out
            QApplication.processEvents()
            n_shown += 1
        fps = n_shown / (time.perf_counter() - begin)
        figures = watchdog.end()
        return {
            "objects": n_objects,
            "frames": n_frames,
            "fps": round(fps, 1),
            "work_max_ms": figures["work_max_ms"],
            "timeline_ms": round(per_call(lambda: dock.checking.timeline.grab()), 1),
            "rows_ms": round(per_call(dock.segment._sync), 1),
            "doubts_read_s": round(read_s, 1),
        }


def fill(workspace: Any, n_objects: int, n_frames: int, side_px: int) -> None:
    """Put discs that wander everywhere."""
    rng = np.random.default_rng(1)
    y, x = np.ogrid[-15:16, -15:16]
    disc = y**2 + x**2 <= 15**2
    places = rng.uniform(20, side_px - 52, (n_objects, 2))
    for frame in range(n_frames):
        places = np.clip(places + rng.normal(0, 2, places.shape), 0, side_px - 32)
        for object_id, (row, column) in enumerate(places.astype(int).tolist(), 1):
            mask = SparseMask.from_window((side_px, side_px), disc, (row, column))
            workspace.objects.include(object_id)
            workspace.confidence[object_id, frame] = Confidence(0.95, 6.0)
            workspace.masklets.set(object_id, frame, mask)


@contextmanager
def window() -> Iterator[Any]:
    """Open napari."""
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window._qt_window.setGeometry(0, 0, 1280, 860)
    pump(0.5)
    try:
        yield viewer
    finally:
        viewer.close()
        pump(0.2)


def on_canvas(viewer: Any, canvas: Any, y: float, x: float) -> QPoint:
    """Find a pixel of the first layer on the canvas."""
    camera = viewer.scene.camera
    world = viewer.layers[0].data_to_world((0, y, x))
    return QPoint(
        round(canvas.width() / 2 + (world[-1] - camera.center[-1]) * camera.zoom),
        round(canvas.height() / 2 + (world[-2] - camera.center[-2]) * camera.zoom),
    )


def per_call(call: Callable[[], object], times: int = 10) -> float:
    """Time a call: the median, in milliseconds."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - begin))
    return statistics.median(taken)


def pump(seconds: float) -> None:
    """Let Qt work."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        QApplication.processEvents()
        time.sleep(0.001)


def wait(until: Callable[[], bool], timeout_s: float) -> None:
    """Let Qt work until something is so."""
    end = time.perf_counter() + timeout_s
    while not until():
        if time.perf_counter() > end:
            raise TimeoutError(f"waited {timeout_s} s in vain")
        QApplication.processEvents()
        time.sleep(0.001)


def measure(n_objects: int, n_frames: int, side_px: int) -> dict[str, dict[str, Any]]:
    """Measure all parts."""
    figures: dict[str, dict[str, Any]] = {}
    with window() as viewer:
        data, options, *_ = sample_dividing_nuclei()[0]
        viewer.add_image(data, **options)
        figures["napari"] = measure_napari(viewer)
        viewer.dims.set_point(0, 0)
        dock = Sam2Dock(viewer)
        viewer.window.add_dock_widget(dock, name="Segment and track")
        viewer.reset_view()
        watchdog = EventLoopWatchdog()
        dock.prompts.points.click()
        wait(lambda: bool(dock.annotator.network.device), 120)
        wait(lambda: not dock.annotator.worker.is_busy, 60)
        pump(1)
        figures["opening"] = watchdog.end()
        figures["click"] = measure_clicks(dock, viewer)
        figures["propagation.layers"] = measure_propagation(dock, per_object=True)
        figures["propagation.one_layer"] = measure_propagation(dock, per_object=False)
    figures["scrub"] = measure_scrub(n_objects, n_frames, side_px)
    return figures


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--side", type=int, default=1024)
    options = parser.parse_args()
    figures = measure(options.objects, options.frames, options.side)
    flat = {f"{part}.{key}": v for part, each in figures.items() for key, v in each.items()}
    print("| figure | |\n|---|---|")
    for key, value in flat.items():
        print(f"| `{key}` | {value} |")
    if options.json is not None:
        options.json.write_text(json.dumps(flat, indent=1) + "\n")


if __name__ == "__main__":
    import os

    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("NAPARI_CONFIG", f"{scratch}/settings.yaml")
        os.environ["NAPARI_SAM2_SESSIONS"] = f"{scratch}/sessions"
        main()
