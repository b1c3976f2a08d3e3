"""Measure the lineage tree: the processor time of a redraw while 500 tracks are scrolled.

    python benchmarks/lineage_tree.py [--tracks N] [--frames T]

A random lineage of N tracks in T frames, with gaps and with areas that grow, in a tree of
1200 x 260 pixels. Prints the median and the largest time in ms of a step of three rows, coloured by
object and by area, and of moving the frame's line while all tracks are shown. Needs a screen.
"""

import argparse
import time
from collections.abc import Callable
from itertools import count

import numpy as np
from qtpy.QtWidgets import QApplication

from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.lineage import Lineage, Track
from napari_sam2.tracks.measurements import outline_numbers
from napari_sam2.tracks.tracked_movie import Tracked
from napari_sam2.widgets.tracks_dock.lineage_tree import LineageTree
from sam2_torch.masks import SparseMask

SHAPE, FOUNDERS, SHARE_MISSING, STEPS = (600, 700), 40, 0.03, 60


def random_lineage(n_tracks: int, n_frames: int) -> Tracked:
    """Make families that begin in the first frames, of cells that live for 30 to 80."""
    random, masklets = np.random.default_rng(0), Masklets(n_frames, SHAPE)
    tracks: list[Track] = []
    waiting = [(int(random.integers(0, 5)), 0) for _ in range(FOUNDERS)]
    for object_id in count(1):
        if not waiting or object_id > n_tracks:
            return Tracked(masklets, Lineage(tracks))
        begin, parent = waiting.pop(0)
        end = min(n_frames - 1, begin + int(random.integers(30, 80)))
        for frame in range(begin, end + 1):
            if frame in (begin, end) or random.random() > SHARE_MISSING:
                side = 6 + (frame - begin) // 8 + int(random.random() < 0.2)
                place = tuple(random.integers(0, 560, 2).tolist())
                mask = SparseMask.from_window(SHAPE, np.ones((side, side), bool), place)
                masklets.set(object_id, frame, mask)
        tracks.append(Track(object_id, begin, end, parent))
        if end < n_frames - 2:
            waiting += [(end + 1, object_id)] * 2
    raise AssertionError


def measure(name: str, tree: LineageTree, step: Callable[[int], None]) -> None:
    """Redraw after each step, and print how long that takes."""
    times = []
    for number in range(STEPS):
        start = time.process_time()
        step(number)
        tree.plot.viewport().repaint()
        QApplication.processEvents()
        times.append(1000 * (time.process_time() - start))
    print(f"{name:36} median {np.median(times):5.1f} ms, largest {max(times):5.1f} ms")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tracks", type=int, default=500)
    parser.add_argument("--frames", type=int, default=200)
    arguments = parser.parse_args(argv)
    application = QApplication.instance() or QApplication([])
    tracked = random_lineage(arguments.tracks, arguments.frames)
    objects, _ = outline_numbers(tracked)
    print(f"{len(tracked.tracks)} tracks, {len(objects)} masks")
    tree = LineageTree()
    tree.resize(1200, 260)
    tree.show()
    tree.show_tracks(tracked, objects)
    application.processEvents()

    def scroll(number: int) -> None:
        tree.view.translateBy(y=3 if number < STEPS / 2 else -3)

    measure("three rows, coloured by object", tree, scroll)
    tree.colour.setCurrentText("area_px2")
    measure("three rows, coloured by area", tree, scroll)
    tree.show_all()
    measure("all shown, the frame's line moves", tree, lambda number: tree.select(1, number))


if __name__ == "__main__":
    main()
