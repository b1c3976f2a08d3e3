"""Measure what napari keeps when it is killed at work, and what it lets go of.

    xvfb-run -a python benchmarks/reliability_napari.py [--only kills docks cycles] [--json FILE]

Needs Linux and a screen. Three parts, each in processes of their own:

- `kills`: someone clicks, renames and deletes; after each answer the length of the log is noted;
  SIGKILL at a random moment; a new napari opens the session and counts the steps.
- `docks`: the dock is closed and opened 50 times.
- `cycles`: a click, a propagation and two undos, 200 times.
"""

import argparse
import gc
import json
import multiprocessing
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QCoreApplication, QEvent
from reliability import Row

GRACE_S = 1.0  # what is older must be in the session
FLAT = 1.05  # memory at the end, over that in the middle: before, PyTorch is loaded


class Desk:
    """A window with a movie and the dock."""

    def __init__(self, movie: Any) -> None:
        import napari
        from qtpy.QtWidgets import QApplication

        from napari_sam2.widgets.dock.dock import Sam2Dock

        self.viewer = napari.Viewer()
        self.viewer.add_image(movie, name="movie")
        self.viewer.dims.set_point(0, 0)
        self.dock = Sam2Dock(self.viewer)
        self.viewer.window.add_dock_widget(self.dock)
        self.annotator = self.dock.annotator
        self._app = QApplication.instance()

    def wait(self, until: Callable[[], bool] = lambda: False, seconds: float = 60.0) -> bool:
        """Let the event loop go round until something is true."""
        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() > end:
                return False
            self._app.processEvents()  # type: ignore[union-attr]
            # what deleteLater deletes in an event loop that was started
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
            time.sleep(0.002)
        return True

    def settle(self) -> None:
        """Wait until all answers are there and shown."""
        self.wait(lambda: False, 0.1)
        a = self.annotator
        self.wait(lambda: not (a.worker.is_busy or a.propagation.is_showing or a.is_propagating))

    def click(self, frame: int, y: float, x: float) -> None:
        """Add a click for the current object, and wait for its mask."""
        self.annotator.work.workspace.prompt_with_points().add((frame, y, x))
        self.settle()


def main() -> None:
    """Run the parts that were asked for."""
    parts: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
        "kills": kills,
        "docks": docks,
        "cycles": cycles,
    }
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--tries", type=int, default=18, help="of deaths")
    parser.add_argument("--docks", type=int, default=50)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = [row for name in arguments.only for row in parts[name](arguments)]
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([vars(row) for row in rows], indent=1))


def kills(arguments: argparse.Namespace) -> Iterator[Row]:
    """Kill napari at random moments, and count what is lost."""
    chance, n_noted, lost, found = random.Random(1), 0, 0, []
    for seed in range(arguments.tries):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["NAPARI_SAM2_SESSIONS"] = folder
            notes = _run(_work, seed, end_after=chance.uniform(2, 12))
            died = time.monotonic()
            sure = [n for at, n in notes if died - at > GRACE_S] or [0]
            found.append(_run(_steps_of_session)[-1][1] if sure[-1] else 0)
            n_noted, lost = n_noted + sure[-1], lost + max(0, sure[-1] - found[-1])
    text = f"{lost} of {n_noted} steps that were noted {GRACE_S:.0f} s before are lost"
    yield _shown(Row("kill -9 of napari at work", arguments.tries, text, not lost))


def docks(arguments: argparse.Namespace) -> Iterator[Row]:
    """Close and open the dock again and again."""
    seen = [of for _, of in _run(_open_docks, arguments.docks)]
    text = "; ".join(
        f"{n}: {mb:.0f} MB, {threads} threads, {alive} docks" for n, mb, threads, alive in seen
    )
    (_, first, few, _), (_, last, many, alive) = seen[-2:]
    is_flat = last < FLAT * first and many <= few and alive <= 2
    yield _shown(Row("dock closed and opened", arguments.docks, text, is_flat))


def cycles(arguments: argparse.Namespace) -> Iterator[Row]:
    """Click, propagate and undo both again and again."""
    seen = [of for _, of in _run(_undo, arguments.cycles)]
    text = "; ".join(f"{n}: {mb:.0f} MB" for n, mb in seen)
    is_flat = seen[-1][1] < FLAT * seen[-2][1]
    yield _shown(Row("click, propagation, undo, undo", arguments.cycles, text, is_flat))


def _shown(row: Row) -> Row:
    print(
        f"| {row.kind} | {row.tries} | {row.result} | {'yes' if row.is_kept else 'NO'} |",
        flush=True,
    )
    return row


def _run(function: Callable[..., None], *given: Any, end_after: float | None = None) -> list[Any]:
    """Run in a process, to its end or to SIGKILL so many seconds after its first note."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_ended, args=(function, there, *given))
    process.start()
    there.close()
    notes, end = [], None
    while end is None or time.monotonic() < end:
        try:
            if here.poll(0.05):
                notes.append(here.recv())
        except EOFError:
            break
        if notes and end_after is not None and end is None:
            end = time.monotonic() + end_after
    process.kill()
    process.join()
    return notes


def _ended(function: Callable[..., None], *given: Any) -> None:
    """Call, and end without closing the window."""
    function(*given)
    os._exit(0)


def _note(to: Connection, what: Any) -> None:
    to.send((time.monotonic(), what))


def _movie() -> Any:
    from napari_sam2.sample_data import sample_dividing_nuclei

    ((movie, *_), *_) = sample_dividing_nuclei()
    return np.asarray(movie)[:8]


def _work(to: Connection, seed: int) -> None:
    chance, desk = random.Random(seed), Desk(_movie())
    annotator = desk.annotator
    history = annotator.work.workspace.history
    desk.click(0, 110, 25)
    while True:
        _note(to, len(history.entries))
        kind = chance.choice(("click", "click", "new", "rename", "undo", "propagate"))
        if kind == "click":
            desk.click(chance.randrange(8), chance.uniform(20, 170), chance.uniform(20, 230))
        elif kind == "new":
            annotator.new_object()
        elif kind == "rename":
            annotator.edit.rename(annotator.work.workspace.objects.ids[0], f"{chance.random()} é")
        elif kind == "undo":
            annotator.edit.undo()
        else:
            annotator.propagate("both", None)
        desk.settle()


def _steps_of_session(to: Connection) -> None:
    desk = Desk(_movie())
    sessions = desk.annotator.sessions
    desk.wait(lambda: sessions.recoverable is not None)
    if sessions.recoverable is not None:
        sessions.recover()
        desk.wait(lambda: sessions.recoverable is None)  # a new log has a step, too
    _note(to, len(desk.annotator.work.workspace.history.entries))


def _open_docks(to: Connection, n: int) -> None:
    from napari_sam2.widgets.dock.dock import Sam2Dock

    desk = Desk(_movie())
    desk.click(0, 110, 25)
    window = desk.viewer.window
    for number in range(1, n + 1):
        window.remove_dock_widget(desk.dock)
        desk.wait(seconds=0.05)
        desk.dock = Sam2Dock(desk.viewer)
        window.add_dock_widget(desk.dock)
        desk.wait(seconds=0.1)
        if number in (max(1, n // 10), n // 2, n):
            gc.collect()
            alive = sum(isinstance(each, Sam2Dock) for each in gc.get_objects())
            _note(to, (number, _megabytes(), threading.active_count(), alive))


def _undo(to: Connection, n: int) -> None:
    desk = Desk(_movie())
    for number in range(1, n + 1):
        desk.click(number % 5, 64 + number % 30, 60)
        desk.annotator.propagate("both", None)
        desk.settle()
        for _ in range(2):
            desk.annotator.edit.undo()
            desk.settle()
        if number in (max(1, n // 10), n // 2, n):
            gc.collect()
            _note(to, (number, _megabytes()))


def _megabytes() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) / 256


if __name__ == "__main__":
    main()
