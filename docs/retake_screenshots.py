"""Use the plugin with a real mouse and keyboard on a virtual screen, and take its pictures.

    python docs/retake_screenshots.py [FOLDER [NAME ...]]

Needs Xvfb, xdotool and ImageMagick (Linux). One process runs napari and keeps writing down
where things are; the other one moves the mouse there, as a person would. It prints how long
a click took to become a mask, and the longest time that the window did not react while the
masks were propagated.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

SCREEN = "1280x1080"
WINDOW = (1280, 1080)
DOCK_WIDTH = 300
STATE_EVERY_MS = 100
TICK_MS = 5
MOTHER, DIVIDES_IN = (124, 157), 7  # in the sample

Point = tuple[float, float]


def run_napari(state_file: Path, movie: str = "", *scale: str) -> None:
    """Run napari; everything that the other process has to know goes into `state_file`.

    Parameters
    ----------
    state_file
        Where to write what is where.
    movie
        A file to open; none if empty.
    scale
        Of the movie.
    """
    import napari
    from qtpy.QtCore import Qt, QTimer

    viewer = napari.Viewer(show_welcome_screen=False)
    window = viewer.window._qt_window
    window.setGeometry(0, 0, *WINDOW)
    if movie:
        viewer.open(movie, scale=[float(step) for step in scale])
    watcher = Watcher(viewer)
    jobs = {
        lambda: watcher.write(state_file): STATE_EVERY_MS,
        watcher.note_gap: TICK_MS,
        watcher.find_dock: STATE_EVERY_MS,
    }
    for job, interval in jobs.items():
        timer = QTimer(window)
        timer.timeout.connect(job)
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.start(interval)
    napari.run()


class Watcher:
    """Looks into napari: where things are, and how quickly they react."""

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.window = viewer.window._qt_window
        self.canvas = viewer.window._qt_viewer.canvas.native
        self.dock: Any = None
        self.annotator: Any = None
        self.gaps_ms: list[float] = []
        self.clicks_ms: list[float] = []
        self._last = time.perf_counter()
        self._press = 0.0

    def write(self, path: Path) -> None:
        """Write down where everything is."""
        layers, camera = self.viewer.layers, self.viewer.scene.camera
        state = {
            "actions": self._actions(),
            "canvas": [*self._on_screen(self.canvas, 0, 0), *self._size(self.canvas)],
            "frame": self.viewer.dims.current_step[0],
            "n_frames": int(self.viewer.dims.nsteps[0]),
            "camera": [*camera.center[-2:], camera.zoom],
            "layers": [layer.name for layer in layers],
            "mode": str(getattr(layers.selection.active, "mode", "")),
            "scale": list(layers[0].scale) if layers else [],
            "gaps_ms": self.gaps_ms,
            "clicks_ms": self.clicks_ms,
            **self._dock_state(),
        }
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(state))
        os.replace(partial, path)

    def note_gap(self) -> None:
        """Note by how much this call is late, while masks are being propagated."""
        now = time.perf_counter()
        if self.annotator is not None and self.annotator.is_propagating:
            self.gaps_ms.append(round(1000 * (now - self._last) - TICK_MS, 1))
        self._last = now

    def find_dock(self) -> None:
        """Make docks narrow when they appear, and time what the first one shows from then on."""
        from napari_sam2.widgets.dock.dock import Sam2Dock

        before, self.dock = self.dock, self.window.findChild(Sam2Dock)
        if self.dock is not None and self.dock is not before:
            self._make_narrow(self.dock)
            if self.annotator is None:
                self.annotator = self.dock.annotator
                self._time_masks()

    def _make_narrow(self, widget: Any) -> None:
        from qtpy.QtCore import Qt

        self.window.resizeDocks([widget.parent()], [DOCK_WIDTH], Qt.Orientation.Horizontal)

    def _time_masks(self) -> None:
        """Time clicks, from the press of the button to the mask being drawn."""
        from qtpy.QtCore import QObject

        watcher, annotator = self, self.annotator

        class Presses(QObject):
            def eventFilter(self, watched: Any, event: Any) -> bool:
                if event.type() == event.Type.MouseButtonPress:
                    watcher._press = time.perf_counter()
                return False

        self._presses = Presses()
        self.canvas.installEventFilter(self._presses)
        watched = set()

        def draw(_: Any) -> None:
            self.canvas.repaint()
            self.clicks_ms.append(round(1000 * (time.perf_counter() - self._press)))

        def watch() -> None:
            if annotator.has_image and annotator.work not in watched:
                watched.add(annotator.work)
                annotator.work.answered.connect(draw)

        annotator.changed.connect(watch)
        watch()

    def _actions(self) -> dict[str, list[int]]:
        """Find the entries of all menus that are open."""
        from qtpy.QtWidgets import QApplication, QMenu

        menus = [m for m in QApplication.topLevelWidgets() if isinstance(m, QMenu)]
        found = {}
        for bar in [self.window.menuBar(), *(menu for menu in menus if menu.isVisible())]:
            for action in bar.actions():
                middle = bar.actionGeometry(action).center()
                name = action.text().replace("&", "")
                found[name] = self._on_screen(bar, middle.x(), middle.y())
        return found

    def _dock_state(self) -> dict[str, Any]:
        buttons: dict[str, Any] = {}
        state: dict[str, Any] = {}
        if self.dock is not None:
            buttons |= self._own_dock()
            state = {"hint": self.dock.heading.hint.text()}
            state["status"] = self.dock.propagation.status.text()
        if self.annotator is not None:
            worker, propagation = self.annotator.worker, self.annotator.propagation
            state["busy"] = worker.is_busy or propagation.is_showing
            state["propagating"] = self.annotator.is_propagating
            if (workspace := self.annotator.workspace) is not None:
                state["masked"] = list(workspace.masklets.object_ids)
        if not buttons:
            return {}
        sliders = self.viewer.window._qt_viewer.dims.slider_widgets
        named = buttons | ({"slider": sliders[0].slider} if sliders else {})
        rows = {} if self.dock is None else self._rows()
        return state | {
            "buttons": {
                name: [*self._on_screen(each, 0, 0), *self._size(each)]
                for name, each in named.items()
                if each.isVisible()
            }
            | rows
        }

    def _own_dock(self) -> dict[str, Any]:
        return {
            "points": self.dock.prompts.points,
            "shapes": self.dock.prompts.shapes,
            "new": self.dock.objects.new,
            "propagate": self.dock.propagation.run,
            "from_here": self.dock.propagation.from_here,
            "everywhere": self.dock.propagation.everywhere,
            "divide": self.dock.tracks.lineage.divide,
            "tracks": self.dock.tracks.lineage.tracks,
            "everything": self.dock.everything.segment.run,
            "what counts": self.dock.everything.wanted.toggleButton(),
        }

    def _rows(self) -> dict[str, list[int]]:
        """Find the names in the list of objects."""
        from napari_sam2.widgets.objects.object_table import Column

        table, found = self.dock.objects.table, {}
        for row in range(table.objects.rowCount()):
            index = table.objects.index(row, int(Column.NAME))
            at = table.visualRect(index)
            place = self._on_screen(table.viewport(), at.x(), at.y())
            found[f"object {table.objects.object_ids[row]}"] = [*place, at.width(), at.height()]
        return found

    def _on_screen(self, widget: Any, x: int, y: int) -> list[int]:
        from qtpy.QtCore import QPoint

        at = widget.mapToGlobal(QPoint(x, y))
        return [at.x(), at.y()]

    def _size(self, widget: Any) -> list[int]:
        return [widget.width(), widget.height()]


class Person:
    """Looks at the screen, and moves the mouse."""

    def __init__(self, state_file: Path, folder: Path) -> None:
        self._state_file = state_file
        self._folder = folder

    @property
    def sees(self) -> dict[str, Any]:
        """What is where at this moment."""
        time.sleep(0.25)
        return dict(json.loads(self._state_file.read_text()))

    def wait(self, until: Callable[[dict[str, Any]], bool], timeout_s: float = 600) -> None:
        """Wait for something to be seen."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            with suppress(FileNotFoundError, KeyError):
                if until(self.sees):
                    return
        seen = self.sees | {"gaps_ms": "left out"}
        raise TimeoutError(f"waited {timeout_s} s in vain; seen: {seen}")

    def move(self, at: Point) -> None:
        """Move the mouse."""
        xdotool("mousemove", *(str(round(v)) for v in at), "sleep", "0.15")

    def click(self, at: Point) -> None:
        """Click there."""
        self.move(at)
        xdotool("click", "1")

    def menu(self, *path: str) -> None:
        """Go through menus; each entry is known by how it begins."""
        for text in path:
            self.wait(lambda state, text=text: any(a.startswith(text) for a in state["actions"]))
            found = self.sees["actions"]
            self.click(next(at for name, at in found.items() if name.startswith(text)))
            time.sleep(0.4)

    def press(self, button: str, along: float = 0.5) -> None:
        """Click on a button of the dock, or somewhere along a slider."""
        left, top, width, height = self.sees["buttons"][button]
        self.click((left + along * width, top + height / 2))

    def draw(self, kind: str) -> None:
        """Get ready to draw points or shapes."""
        self.press(kind)
        mode = {"points": "add", "shapes": "add_rectangle"}[kind]
        self.wait(lambda state: state["mode"] == mode)

    def new_object(self) -> None:
        """Begin an object, once all others have masks."""
        n_objects = self._n_objects()
        self.wait_for_masks()
        self.wait(lambda state: len(state["masked"]) == n_objects)
        self.press("new")
        self.wait(lambda state: f"object {n_objects + 1}" in state["buttons"])

    def _n_objects(self) -> int:
        return sum(name.startswith("object ") for name in self.sees["buttons"])

    def scrub(self, begin: float, end: float) -> None:
        """Drag the slider of the frames."""
        left, top, width, height = self.sees["buttons"]["slider"]
        y = top + height / 2
        self.drag((left + begin * width, y), (left + end * width, y))

    def go_to(self, frame: int) -> None:
        """Go to a frame: with the mouse near to it, then with the arrow keys."""
        along = frame / max(1, self.sees["n_frames"] - 1)
        self.press("slider", 0.02 + 0.96 * along)
        for _ in range(30):
            away = frame - self._frame_at_rest()
            if not away:
                return
            self.key("Right" if away > 0 else "Left", abs(away))
        raise TimeoutError(f"frame {frame} is not reached; seen: {self.sees['frame']}")

    def _frame_at_rest(self) -> int:
        """Wait until the viewer has followed, and say which frame it shows."""
        before, now = -1, self.sees["frame"]
        while now != before:
            time.sleep(0.4)
            before, now = now, self.sees["frame"]
        return int(now)

    def key(self, name: str, times: int = 1) -> None:
        """Press a key."""
        for _ in range(times):
            xdotool("key", name, "sleep", "0.05")

    def pixel(self, y: float, x: float) -> Point:
        """Find a pixel of the image on the screen."""
        state = self.sees
        left, top, width, height = state["canvas"]
        centre_y, centre_x, zoom = state["camera"]
        scale_y, scale_x = state["scale"][-2:]
        return (
            left + width / 2 + (x * scale_x - centre_x) * zoom,
            top + height / 2 + (y * scale_y - centre_y) * zoom,
        )

    def drag(self, begin: Point, end: Point) -> None:
        """Draw a box."""
        self.move(begin)
        xdotool("mousedown", "1")
        for i in range(1, 9):
            self.move(tuple(a + (b - a) * i / 8 for a, b in zip(begin, end, strict=True)))  # type: ignore[arg-type]
        xdotool("mouseup", "1")

    def wait_for_masks(self) -> None:
        """Wait until the network has answered."""
        time.sleep(0.3)
        self.wait(lambda state: not state["busy"])

    def click_cells(self, places: Iterable[Point]) -> None:
        """Click once in each cell, given by row and column; each is a new object."""
        for i, place in enumerate(places):
            if i:
                self.new_object()
            self.click(self.pixel(*place))
            self.wait_for_masks()
            time.sleep(1)  # for the preview
            self.wait_for_masks()

    def propagate(self, button: str = "propagate") -> None:
        """Propagate all objects through all frames, or as another button does."""
        before = self.sees["status"]
        self.press(button)
        self.wait(lambda state: state["propagating"] or state["status"] != before)
        self.wait(lambda state: not state["propagating"] and not state["busy"], 3000)

    def shoot(self, name: str) -> None:
        """Take a picture of the screen."""
        time.sleep(0.5)
        path = self._folder / f"{name}.png"
        run("import", "-window", "root", "-strip", "-define", "png:compression-level=9", str(path))
        print(path)


def walk(person: Person) -> None:
    """Segment nuclei of the sample, and track them."""
    open_sample(person, "Plugins", "Segment and track (SAM 2)")
    person.shoot("1-opened")
    click_nuclei(person)
    person.shoot("widget")
    person.press("propagate")
    person.wait(lambda state: state["propagating"] and "left" in state["status"])
    person.shoot("3-propagating")
    person.wait(lambda state: not state["propagating"], 3000)
    person.go_to(12)
    person.wait_for_masks()
    person.shoot("propagated")


def open_sample(person: Person, *entry: str) -> None:
    """Open the movie of dividing nuclei at its first frame, and the dock by a menu."""
    person.wait(lambda state: "File" in state["actions"])
    person.menu("File", "Open Sample", "SAM 2", "Dividing nuclei")
    person.wait(lambda state: state["layers"] == ["dividing nuclei"])
    person.menu(*entry)
    person.wait(lambda state: "buttons" in state)
    person.click(person.pixel(180, 5))  # the keyboard to the canvas
    person.key("ctrl+r")
    person.scrub(0.5, 0.0)


def walk_tracks(person: Person) -> None:
    """Follow three nuclei, and say where one of them divides."""
    open_sample(person, "Plugins", "Segment and track (SAM 2)")
    person.draw("points")
    person.click_cells(((86, 61), (87, 197), MOTHER))
    person.propagate()
    person.menu("Layers", "Track", "Tracks, divisions and measurements (SAM 2)")
    person.wait(lambda state: "divide" in state["buttons"])
    person.go_to(DIVIDES_IN)
    person.press("divide")
    time.sleep(1)
    person.wait(lambda state: not state["busy"], 3000)
    person.press("tracks", 0.05)
    person.go_to(DIVIDES_IN + 2)
    person.wait_for_masks()
    person.shoot("tracks")


def walk_everything(person: Person) -> None:
    """Find all nuclei of the first frame."""
    open_sample(person, "Layers", "Segment", "Find and track all cells (SAM 2)")
    person.press("what counts")
    person.press("everything")
    person.wait(lambda state: "dividing nuclei found" in state["layers"], 3000)
    person.wait(lambda state: not state["busy"])
    person.shoot("segment_everything")


def click_nuclei(person: Person) -> None:
    """Prompt four nuclei: by a click, by three, by a box, and by a click and a key."""
    person.draw("points")
    person.click(person.pixel(25, 110))
    person.wait(lambda state: "Loading" in state["hint"] or "Right?" in state["hint"])
    person.shoot("2-loading")
    person.new_object()
    person.click(person.pixel(109, 20))
    person.wait_for_masks()
    person.click(person.pixel(116, 24))
    person.wait_for_masks()
    person.key("t")
    person.click(person.pixel(98, 42))
    person.wait_for_masks()
    person.key("t")
    person.new_object()
    person.draw("shapes")
    person.drag(person.pixel(70, 177), person.pixel(104, 215))
    person.new_object()
    person.draw("points")
    person.click(person.pixel(154, 193))
    person.wait(lambda state: len(state["masked"]) == 4)
    time.sleep(1)  # for the preview
    person.wait_for_masks()


def tell(state: dict[str, Any]) -> None:
    """Print how it went."""
    print("hint:", state["hint"], "| status:", state["status"], "| layers:", state["layers"])
    print("click to mask, ms:", state["clicks_ms"], "(the first loads the network)")
    gaps = sorted(state["gaps_ms"])
    print(
        f"while propagating, the event loop was late by {gaps[len(gaps) // 2]} ms (median), "
        f"{gaps[int(len(gaps) * 0.95)]} ms (95 %), {gaps[-3:]} ms (longest), n = {len(gaps)}"
    )


def run(*command: str) -> None:
    """Run a tool."""
    subprocess.run(command, check=True)


def xdotool(*arguments: str) -> None:
    """Move the mouse or press a key."""
    run("xdotool", *arguments)


@contextmanager
def virtual_screen() -> Iterator[None]:
    """Start an X server without a screen, and set DISPLAY."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{SCREEN}x24", "-nolisten", "tcp"],
        pass_fds=(writing,),
        stderr=subprocess.DEVNULL,
    )
    try:
        with os.fdopen(reading) as number:
            os.environ["DISPLAY"] = f":{number.readline().strip()}"
        yield
    finally:
        server.terminate()


@contextmanager
def person_at(folder: Path, *movie: str) -> Iterator[tuple[Person, Path]]:
    """Start napari on a virtual screen, with a movie or without.

    Yields
    ------
    Who sits before it, and the folder where sessions are saved by themselves.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with virtual_screen(), tempfile.TemporaryDirectory() as scratch:
        state_file, sessions = Path(scratch) / "state.json", Path(scratch) / "sessions"
        settings = os.environ | {
            "NAPARI_CONFIG": f"{scratch}/settings.yaml",
            "NAPARI_SAM2_SESSIONS": str(sessions),
        }
        settings.pop("QT_QPA_PLATFORM", None)
        command = [sys.executable, __file__, "--napari", str(state_file), *movie]
        app = subprocess.Popen(command, env=settings)
        try:
            yield Person(state_file, folder), sessions
        finally:
            app.terminate()
            app.wait(120)


def main(folder: Path, names: Sequence[str] = ()) -> None:
    """Walk through the sample, and tell how quick it was; all walks unless some are named."""
    walks = {"widget": walk, "tracks": walk_tracks, "everything": walk_everything}
    for name in names or walks:
        with person_at(folder) as (person, _):
            walks[name](person)
            if name == "widget":
                tell(person.sees)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--napari"]:
        run_napari(Path(sys.argv[2]), *sys.argv[3:])
    else:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots"), sys.argv[2:])
