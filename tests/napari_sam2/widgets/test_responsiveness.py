"""Nothing keeps the event loop from going round while masks are propagated.

Which layers are drawn in which turn is counted, with a clock that goes on by five milliseconds
for each. What a turn costs is measured in benchmarks/interface.py.
"""

import gc
import itertools
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_sam2.layers.mask_layers import output_layers
from napari_sam2.layers.mask_layers.masklet_view import MaskletView
from napari_sam2.layers.mask_layers.output_layers import OutputLayers
from napari_sam2.movies.background_threads import freeze, thaw
from napari_sam2.widgets.dock.dock import Sam2Dock
from napari_sam2.widgets.inference.session_owner import SessionOwner

pytestmark = pytest.mark.slow

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

LAYERS_IN_BUDGET = 3  # of 12 ms, at 5 ms each
N_FRAMES = 6
PLACES = tuple((y, x) for y in (40, 100) for x in (24, 74, 124, 174))


@pytest.fixture(autouse=True)
def nothing_to_collect():
    """Let Python not look for garbage among all that other tests left: that takes long."""
    gc.collect()
    freeze()
    yield
    thaw()


@pytest.fixture(scope="module")
def owner():
    """The embedded network, whose input has a quarter of the usual area."""
    from sam2_torch import CELLS_NANO, SAM2, load_sam2

    small = SAM2(replace(CELLS_NANO, image_size=256))
    small.load_state_dict(load_sam2("cells_nano", "cpu").state_dict())
    small.eval().requires_grad_(False)
    return SessionOwner(load=lambda name, device: small)


@pytest.fixture
def movie():
    """Eight bright discs that drift, 16 bits, not square."""
    y, x = np.ogrid[:140, :200]
    frames = np.random.default_rng(0).normal(900, 40, (N_FRAMES, 140, 200))
    for t, frame in enumerate(frames):
        for cy, cx in PLACES:
            frame[(y - cy) ** 2 + (x - cx - t) ** 2 < 15**2] += 2500
    return frames.astype(np.uint16)


@pytest.fixture
def dock(make_napari_viewer, movie, owner, qtbot):
    """The widget with the embedded network, loaded, and a click in each disc."""
    viewer = make_napari_viewer(show=True, fresh=True)  # as a user has it
    viewer.add_image(movie, name="movie", scale=(2, 0.5, 0.5))
    viewer.dims.set_point(0, 0)
    widget = Sam2Dock(viewer, owner)
    viewer.window.add_dock_widget(widget, name="Segment and track")
    widget.prompts.points.click()
    annotator = widget.annotator
    qtbot.waitUntil(lambda: bool(annotator.network.device), timeout=60_000)
    for number, place in enumerate(PLACES):
        if number:
            annotator.work.edit.new()
        viewer.layers["movie clicks"].add((0, *place))
    qtbot.waitUntil(lambda: not annotator.worker.is_busy, timeout=60_000)
    return widget


@pytest.fixture
def turns(monkeypatch):
    """How many layers each turn draws; and how many were drawn in any other way."""
    ticks, per_turn, elsewhere = itertools.count(step=0.005), [], []
    monkeypatch.setattr(output_layers, "perf_counter", lambda: next(ticks))
    is_turn = [False]
    catch_up, redraw = OutputLayers.catch_up, output_layers.redraw
    read = MaskletView.__getitem__

    def watched_catch_up(self, budget_s):
        per_turn.append(0)
        is_turn[0] = True
        try:
            return catch_up(self, budget_s)
        finally:
            is_turn[0] = False

    def watched_redraw(*arguments):
        per_turn[-1] += 1
        redraw(*arguments)

    def watched_read(self, key):
        if not is_turn[0]:
            elsewhere.append(self.masklets)
        return read(self, key)

    monkeypatch.setattr(OutputLayers, "catch_up", watched_catch_up)
    monkeypatch.setattr(output_layers, "redraw", watched_redraw)
    monkeypatch.setattr(MaskletView, "__getitem__", watched_read)
    return per_turn, elsewhere


@pytest.mark.parametrize("per_object", [True, False], ids=["a layer each", "one layer"])
def test_no_turn_of_the_event_loop_takes_long(dock, per_object, turns, qtbot):
    from event_loop import EventLoopWatchdog

    annotator, viewer = dock.annotator, dock.annotator.viewer
    annotator.work.set_per_object(per_object)
    for frame in (1, 0):  # what libraries do once, they have done
        annotator.workspace.go_to(frame)
        qtbot.wait(200)
    per_turn, elsewhere = turns
    per_turn.clear()
    elsewhere.clear()
    watchdog = EventLoopWatchdog()
    dock.propagation.run.click()
    assert annotator.propagation.is_running
    qtbot.waitUntil(
        lambda: not (annotator.propagation.is_running or annotator.propagation.is_showing),
        timeout=120_000,
    )
    figures = watchdog.end()
    masklets = annotator.workspace.masklets
    # not even where the viewer went to another frame; outlines of neighbours are another thing
    assert not any(drawn is masklets for drawn in elsewhere)
    assert max(per_turn) == (LAYERS_IN_BUDGET if per_object else 1)
    layers = [layer for layer in viewer.layers if layer.name.startswith("Object ")]
    assert len(layers) == (len(PLACES) if per_object else 0)
    assert annotator.workspace.shown_frame == 0  # where it began
    shown = {layer.name: set(np.unique(layer._slice.image.raw)) - {0} for layer in layers}
    there = {i for i in masklets.object_ids if masklets.get(i, N_FRAMES - 1)}
    assert all(shown[f"Object {i}"] == {i} for i in there if per_object)
    assert len(there) >= 6
    assert figures["turns"] > 20
