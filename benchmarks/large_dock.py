"""The dock on a movie far larger than memory: part of large_zarr.py, which makes the movie."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from interface import on_canvas, pump, wait, window
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from zarr.storage import LocalStore

from napari_sam2.movies.pyramid import overview_of
from napari_sam2.widgets.dock.dock import Sam2Dock


class CountedReads:
    """Counts the chunks that are read from any store on the disk."""

    def __init__(self) -> None:
        self.chunks: list[str] = []
        get = LocalStore.get

        async def counted(store: LocalStore, key: str, *args: Any, **kwargs: Any) -> Any:
            if key.startswith("c/") or "/c/" in key:
                self.chunks.append(key)
            return await get(store, key, *args, **kwargs)

        LocalStore.get = counted  # type: ignore[method-assign]

    def take(self) -> int:
        """Count the different chunks that were read since the last time."""
        n = len(set(self.chunks))
        self.chunks.clear()
        return n


class DockRun:
    """Opens the movie in napari, clicks on two discs, and follows them.

    Parameters
    ----------
    viewer
        An empty one.
    peak_mb
        Tells the most memory that was used so far.
    pictures
        Folder for pictures of the window; none by default.

    Attributes
    ----------
    figures
        Seconds and chunks of each part, and memory.
    """

    def __init__(
        self, viewer: Any, peak_mb: Callable[[], float], pictures: Path | None = None
    ) -> None:
        self.figures: dict[str, float] = {}
        self._viewer, self._peak_mb, self._pictures = viewer, peak_mb, pictures
        self._reads = CountedReads()

    def measure(self, path: Path, places: list[tuple[int, int]], step: int) -> None:
        """Measure all parts.

        Parameters
        ----------
        path
            The store.
        places
            Row and column of the discs in the first frame.
        step
            Columns that they move with each frame.
        """
        self._viewer.add_labels(np.zeros((8, 8), np.uint16))  # the first ones take napari long
        self._viewer.layers.clear()
        self.figures["napari_mb"] = self._peak_mb()
        self._open(path)
        dock = Sam2Dock(self._viewer)
        self._viewer.window.add_dock_widget(dock, name="Segment and track")
        with self._part("zoom"):
            self._look_at(places[0])
        with self._part("network"):
            dock.prompts.points.click()
            wait(lambda: bool(dock.annotator.network.device), 120)
            wait(lambda: not dock.annotator.worker.is_busy, 60)
            wait(lambda: not dock.annotator.sessions.files.is_busy, 60)
        pump(0.5)
        self.figures["ready_mb"] = self._peak_mb()
        for object_id, place in enumerate(places, start=1):
            self._click(dock, object_id, place)
        self._follow(dock, places[0][1] + 9 * step)
        self.figures["after_mb"] = self._peak_mb()

    def _open(self, path: Path) -> None:
        with self._part("layer"):
            self._viewer.open(path, plugin="napari-sam2")
            self._viewer.dims.set_point(0, 0)
        with self._part("overview"):
            pump(0.1)
            self._settle()
        self._shoot("1-overview")

    def _click(self, dock: Sam2Dock, object_id: int, place: tuple[int, int]) -> None:
        """Click with the mouse, and wait until the mask is drawn."""
        workspace, canvas = dock.annotator.workspace, self._viewer.window._qt_viewer.canvas.native
        assert workspace is not None
        if object_id > 1:
            dock.objects.new.click()
            self._look_at(place)
        self._reads.take()
        with self._part(f"click_{object_id}"):
            at = on_canvas(self._viewer, canvas, *place)
            QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=at)
            wait(lambda: workspace.masklets.packed(object_id, 0) is not None, 60)
            pump(0)
            canvas.repaint()
        outline = workspace.masklets.outline(object_id, 0)
        self.figures[f"area_{object_id}"] = 0 if outline is None else outline.area
        self._shoot(f"{object_id + 1}-click")

    def _follow(self, dock: Sam2Dock, column: float) -> None:
        """Propagate through ten frames, and go through them."""
        with self._part("followed"):
            dock.propagation.range.setValue((0, 9))
            dock.propagation.show_frames.setChecked(False)
            dock.propagation.run.click()
            wait(lambda: not dock.annotator.propagation.is_running, 120)
        self._shoot("4-followed")
        with self._part("scrubbed"):
            for frame in range(10):
                self._viewer.dims.set_point(0, frame)
                pump(0)
                self._viewer.window._qt_viewer.canvas.native.repaint()
        last = dock.annotator.workspace.masklets.outline(1, 9)  # type: ignore[union-attr]
        self.figures["found_after"] = -1.0 if last is None else abs(last.centroid_yx[1] - column)

    def _look_at(self, place: tuple[int, int]) -> None:
        """Zoom in until a pixel is one of the screen."""
        camera, image = self._viewer.scene.camera, self._viewer.layers[0]
        camera.center = (*camera.center[:-2], *image.data_to_world((0, *place))[-2:])
        camera.zoom = 1 / image.scale[-1]
        pump(0.5)
        self._settle()

    def _settle(self) -> None:
        overview = overview_of(self._viewer.layers[0].data)
        assert overview is not None
        wait(lambda: overview.is_idle, 120)
        pump(0.1)

    def _shoot(self, name: str) -> None:
        if self._pictures is not None:
            self._viewer.screenshot(str(self._pictures / f"{name}.png"), canvas_only=False)

    @contextmanager
    def _part(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.figures[f"{name}_s"] = time.perf_counter() - begin
        self.figures[f"{name}_chunks"] = self._reads.take()


def measure_dock(
    path: Path,
    places: list[tuple[int, int]],
    step: int,
    peak_mb: Callable[[], float],
    pictures: Path | None,
) -> dict[str, float]:
    """Measure all parts in a window of its own; see `DockRun`."""
    with window() as viewer:
        run = DockRun(viewer, peak_mb, pictures)
        run.measure(path, places, step)
    return run.figures
