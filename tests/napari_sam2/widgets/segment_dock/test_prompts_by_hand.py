"""Prompts drawn and moved with the mouse on the canvas, by napari's own tools."""

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from canvas_mouse import canvas_position, drag, tap, tap_twice
from qtpy.QtCore import Qt

from napari_sam2.widgets.dock.dock import Sam2Dock
from napari_sam2.widgets.segment_dock.many_objects_section import ALL_FOR_CURRENT, NEW_PER_BOX

SCALE, TRANSLATE = (1, 0.5, 0.5), (0, 3, 7)
DOCK_WIDTH_PX = 300


def open_dock(qtbot, viewer, owner):
    """Show a movie and the dock beside it."""
    movie = np.zeros((6, 30, 50), np.uint16)
    viewer.add_image(movie, name="movie", scale=SCALE, translate=TRANSLATE)
    viewer.dims.set_point(0, 0)
    dock = Sam2Dock(viewer, owner)
    viewer.window.add_dock_widget(dock, name="Segment and track")
    qtbot.wait(50)  # the canvas gets its size
    viewer.reset_view()
    return dock


@pytest.fixture
def dock(make_napari_viewer, stub_owner, qtbot):
    """The widget in a window, with a movie; the network is a stub."""
    return open_dock(qtbot, make_napari_viewer(show=True), stub_owner)


@pytest.fixture
def viewer(dock):
    return dock.annotator.viewer


def at(viewer, y, x):
    """Where a pixel of the movie is on the canvas: (x, y)."""
    world = TRANSLATE[1] + SCALE[1] * y, TRANSLATE[2] + SCALE[2] * x
    _, where = canvas_position(viewer, *world)
    return where.x(), where.y()


def along(viewer, corners_yx, steps=3):
    """Go from corner to corner, in steps, as a hand does."""
    pairs = itertools.pairwise(corners_yx)
    path = [row for one, other in pairs for row in np.linspace(one, other, steps, endpoint=False)]
    return [at(viewer, *place) for place in (*path, corners_yx[-1])]


def press(qtbot, button):
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def take_tool(qtbot, viewer, name):
    """Press one of napari's buttons for the layer that is chosen."""
    layer = viewer.layers.selection.active
    controls = viewer.window._qt_viewer.controls.widgets[layer]
    press(qtbot, getattr(controls, f"{name}_button"))


def settle(qtbot, dock):
    annotator = dock.annotator
    workers = annotator.worker, annotator.sessions.files
    qtbot.waitUntil(lambda: annotator.network.is_open, timeout=10_000)
    qtbot.waitUntil(
        lambda: not any(w.is_busy for w in workers) and not annotator.propagation.is_showing,
        timeout=10_000,
    )


def mask(dock, object_id, frame=0):
    """The object's pixels, as its layer shows them."""
    return dock.annotator.viewer.layers[f"Object {object_id}"].data[frame] == object_id


def begin_points(qtbot, dock):
    press(qtbot, dock.prompts.points)
    qtbot.wait(30)  # the controls of the layer may take some of the canvas
    return dock.annotator.viewer.layers["movie clicks"]


def begin_shapes(qtbot, dock):
    press(qtbot, dock.prompts.shapes)
    qtbot.wait(30)  # the controls of the layer may take some of the canvas
    return dock.annotator.viewer.layers["movie boxes"]


def test_a_point_that_is_dragged_takes_the_mask_along(dock, viewer, qtbot):
    points = begin_points(qtbot, dock)
    tap(qtbot, viewer, at(viewer, 12, 33))
    settle(qtbot, dock)
    first, begun = mask(dock, 1).copy(), points.data.copy()
    np.testing.assert_allclose(begun, [[0, 12, 33]], atol=0.2)
    assert first[12, 33]
    take_tool(qtbot, viewer, "select")
    drag(qtbot, viewer, *along(viewer, [(12, 33), (20, 15)]))
    settle(qtbot, dock)
    np.testing.assert_allclose(points.data, [[0, 20, 15]], atol=0.2)
    assert mask(dock, 1)[20, 15] and not mask(dock, 1)[12, 33]
    assert dock.annotator.workspace.objects.ids == (1,)
    press(qtbot, dock.session.undo)
    settle(qtbot, dock)
    np.testing.assert_allclose(points.data, begun, atol=1e-3)
    np.testing.assert_array_equal(mask(dock, 1), first)


def test_a_box_that_is_dragged_takes_the_mask_along(dock, viewer, qtbot):
    shapes = begin_shapes(qtbot, dock)
    drag(qtbot, viewer, *along(viewer, [(5, 5), (15, 19)]))
    settle(qtbot, dock)
    assert mask(dock, 1)[6:15, 6:19].all()
    take_tool(qtbot, viewer, "select")
    drag(qtbot, viewer, *along(viewer, [(10, 12), (18, 36)]))
    settle(qtbot, dock)
    (marks,) = dock.annotator.workspace.prompts.values()
    np.testing.assert_allclose(marks.boxes, [(13, 29, 23, 43)], atol=0.3)
    assert mask(dock, 1)[14:23, 30:43].all() and not mask(dock, 1)[:12].any()
    canvas, _ = canvas_position(viewer, 0, 0)
    qtbot.keyClick(canvas, Qt.Key.Key_Delete)
    settle(qtbot, dock)
    assert len(shapes.data) == 0 and not dock.annotator.workspace.prompts
    assert not mask(dock, 1).any()


def test_a_lasso_and_a_polygon_are_the_mask(dock, viewer, qtbot):
    shapes = begin_shapes(qtbot, dock)
    take_tool(qtbot, viewer, "polygon_lasso")
    drag(qtbot, viewer, *along(viewer, [(3, 4), (25, 4), (25, 20), (3, 4)]))
    settle(qtbot, dock)
    press(qtbot, dock.objects.new)
    take_tool(qtbot, viewer, "polygon")
    for corner in ((4, 45), (26, 45)):
        tap(qtbot, viewer, at(viewer, *corner))
    tap_twice(qtbot, viewer, at(viewer, 26, 28))
    settle(qtbot, dock)
    assert [str(kind) for kind in shapes.shape_type] == ["polygon", "polygon"]
    assert shapes.features["object"].tolist() == [1, 2]
    marks = dock.annotator.workspace.prompts
    assert [len(drawn.outlines) for drawn in marks.values()] == [1, 1]
    np.testing.assert_allclose(marks[2, 0].outlines[0], [(4, 45), (26, 45), (26, 28)], atol=0.2)
    lasso, polygon = mask(dock, 1), mask(dock, 2)
    assert lasso[20, 6] and not lasso[6, 16]  # in its box, and not in the triangle
    assert polygon[20, 43] and not polygon[6, 31]
    assert lasso.sum() == pytest.approx(22 * 16 / 2, rel=0.15)
    assert polygon.sum() == pytest.approx(22 * 17 / 2, rel=0.15)


def test_a_path_is_a_scribble(dock, viewer, qtbot):
    begin_shapes(qtbot, dock)
    take_tool(qtbot, viewer, "path")
    drag(qtbot, viewer, *along(viewer, [(8, 6), (8, 42)]))
    settle(qtbot, dock)
    ((label, path),) = dock.annotator.workspace.prompts[1, 0].scribbles
    assert label == 1 and len(path) > 2
    assert mask(dock, 1)[8, [6, 15, 24, 33, 42]].all()  # clicks along it
    assert not mask(dock, 1)[16:].any()
    dock.prompts.negative.click()
    drag(qtbot, viewer, *along(viewer, [(8, 23), (8, 26)]))
    settle(qtbot, dock)
    assert [label for label, _ in dock.annotator.workspace.prompts[1, 0].scribbles] == [1, 0]
    assert mask(dock, 1)[8, 6] and not mask(dock, 1)[8, 24]


def test_a_shape_of_too_few_corners_is_none(dock, viewer, qtbot, messages):
    """Napari takes it back, and calls that added."""
    shapes = begin_shapes(qtbot, dock)
    for tool in ("polygon", "polygon_lasso", "path"):
        take_tool(qtbot, viewer, tool)
        tap_twice(qtbot, viewer, at(viewer, 12, 33))
        take_tool(qtbot, viewer, "select")
    assert len(shapes.data) == 0 and not dock.annotator.workspace.prompts
    assert not any("outside of the image" in message.message for message in messages)
    for _ in range(2):  # with another shape beside it
        take_tool(qtbot, viewer, "rectangle")
        drag(qtbot, viewer, *along(viewer, [(5, 5), (15, 19)]))
        take_tool(qtbot, viewer, "polygon")
        tap_twice(qtbot, viewer, at(viewer, 12, 33))
    settle(qtbot, dock)
    assert shapes.features["object"].tolist() == [1, 2]
    assert mask(dock, 1)[10, 12] and mask(dock, 2)[10, 12]


def test_what_is_half_drawn_belongs_to_no_object(dock, viewer, qtbot):
    """Undo takes the finished shape back, and lets go of the other one."""
    shapes = begin_shapes(qtbot, dock)
    drag(qtbot, viewer, *along(viewer, [(5, 5), (15, 19)]))
    settle(qtbot, dock)
    take_tool(qtbot, viewer, "polygon")
    for corner in ((4, 45), (26, 45), (26, 30)):
        tap(qtbot, viewer, at(viewer, *corner))
    before = dock.annotator.workspace.prompts
    press(qtbot, dock.session.undo)
    settle(qtbot, dock)
    assert len(before) == 1
    assert len(shapes.data) == 0 and not dock.annotator.workspace.prompts
    for corner in ((4, 45), (26, 45)):
        tap(qtbot, viewer, at(viewer, *corner))
    tap_twice(qtbot, viewer, at(viewer, 26, 28))
    settle(qtbot, dock)
    assert shapes.features["object"].tolist() == [dock.annotator.workspace.current_object]
    assert mask(dock, dock.annotator.workspace.current_object)[20, 43]


@pytest.mark.parametrize(
    ("choice", "owners"), [(NEW_PER_BOX, [1, 2, 3]), (ALL_FOR_CURRENT, [1, 1, 1])]
)
def test_several_boxes_at_once(dock, viewer, qtbot, choice, owners):
    if dock.seeds.boxes.currentText() != choice:
        qtbot.keyClick(dock.seeds.boxes, Qt.Key.Key_Down)
    assert dock.seeds.boxes.currentText() == choice
    shapes = begin_shapes(qtbot, dock)
    corners = [((3, 3), (9, 13)), ((18, 3), (26, 13)), ((10, 30), (20, 45))]
    for box in corners:  # without a pause for the answers
        drag(qtbot, viewer, *along(viewer, box))
    settle(qtbot, dock)
    assert shapes.features["object"].tolist() == owners
    assert dock.annotator.workspace.objects.ids == tuple(sorted(set(owners)))
    expected = {owner: np.zeros((30, 50), bool) for owner in owners}
    for owner, ((y0, x0), (y1, x1)) in zip(owners, corners, strict=True):
        expected[owner][y0 : y1 + 1, x0 : x1 + 1] = True
    for owner, pixels in expected.items():
        np.testing.assert_array_equal(mask(dock, owner), pixels)


def write_frame(qtbot, dock, which, frame):
    """Write the first (0) or last (1) frame of the range into its field, as one may."""
    field = dock.propagation.range._handle_labels[which]
    field.selectAll()
    qtbot.keyClicks(field, str(frame))
    qtbot.keyClick(field, Qt.Key.Key_Return)


def test_a_run_stays_within_its_frames(dock, viewer, qtbot):
    begin_points(qtbot, dock)
    viewer.dims.set_point(0, 1)
    tap(qtbot, viewer, at(viewer, 8, 10))
    settle(qtbot, dock)
    write_frame(qtbot, dock, 0, 1)
    write_frame(qtbot, dock, 1, 3)
    assert dock.propagation.frames == (1, 4)
    press(qtbot, dock.propagation.run)
    settle(qtbot, dock)
    assert [bool(mask(dock, 1, frame).any()) for frame in range(6)] == [0, 1, 1, 1, 0, 0]
    write_frame(qtbot, dock, 0, 0)
    write_frame(qtbot, dock, 1, 5)
    assert dock.propagation.frames is None
    press(qtbot, dock.propagation.run)
    settle(qtbot, dock)
    before = [mask(dock, 1, frame).copy() for frame in range(6)]
    assert all(pixels.any() for pixels in before)
    viewer.dims.set_point(0, 1)  # the run took the viewer along
    tap(qtbot, viewer, at(viewer, 22, 20))
    settle(qtbot, dock)
    write_frame(qtbot, dock, 0, 2)
    write_frame(qtbot, dock, 1, 3)
    press(qtbot, dock.propagation.run)
    settle(qtbot, dock)
    for frame in (0, 4, 5):
        np.testing.assert_array_equal(mask(dock, 1, frame), before[frame])
    for frame in (1, 2, 3):
        assert mask(dock, 1, frame)[22, 20 + frame - 1]


def click_near(qtbot, dock, y, x):
    """Click, and return the pixel that this was: a window below others may lag behind its size."""
    viewer = dock.annotator.viewer
    tap(qtbot, viewer, at(viewer, y, x))
    settle(qtbot, dock)
    _, row, column = viewer.layers["movie clicks"].data[-1].round().astype(int)
    return row, column


def test_two_viewers_do_not_mind_each_other(make_napari_viewer, make_stub_owner, qtbot):
    one, other = (
        open_dock(qtbot, make_napari_viewer(show=True), make_stub_owner()) for _ in range(2)
    )
    assert one.annotator is not other.annotator
    begin_points(qtbot, one)
    here = click_near(qtbot, one, 12, 38)
    assert mask(one, 1)[here]
    assert not other.annotator.workspace.prompts
    assert [layer.name for layer in other.annotator.viewer.layers] == ["movie"]
    begin_points(qtbot, other)
    there = click_near(qtbot, other, 18, 12)
    assert mask(other, 1)[there] and not mask(other, 1)[here]
    assert mask(one, 1)[here] and not mask(one, 1)[there]
    one.annotator.viewer.close()
    assert one.annotator.is_closed and not other.annotator.is_closed
    press(qtbot, other.objects.new)
    beside = click_near(qtbot, other, 16, 36)
    assert mask(other, 2)[beside]
    press(qtbot, other.propagation.run)
    settle(qtbot, other)
    assert mask(other, 1, 5).any() and mask(other, 2, 5).any()
    assert other.annotator.workspace.objects.ids == (1, 2)


FINE_SCREEN = f"""
import json, napari, numpy as np
from qtpy.QtWidgets import QPushButton, QStyle
from napari_sam2.widgets.dock.dock import Sam2Dock

viewer = napari.Viewer(show=False)
viewer.add_image(np.zeros((6, 30, 50), np.uint16), name="movie")
dock = Sam2Dock(viewer)
viewer.window.add_dock_widget(dock, name="Segment and track")
dock.resize({DOCK_WIDTH_PX}, 900)
bar = dock.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
cut = [
    push.text()
    for push in dock.findChildren(QPushButton)
    if push.isVisibleTo(dock) and push.width() < push.minimumSizeHint().width()
]
needed = dock.segment.content.minimumSizeHint().width() + bar
ratio = dock.devicePixelRatioF()
print(json.dumps([ratio, dock.grab().width() / dock.width(), needed, cut]))
viewer.close()
"""


def test_the_dock_fits_on_a_fine_screen():
    """At two device pixels for each one; Qt reads that when it starts: a process of its own."""
    told = subprocess.run(
        [sys.executable, "-c", FINE_SCREEN],
        env=os.environ | {"QT_SCALE_FACTOR": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    ratio, drawn_ratio, needed, cut = json.loads(told.stdout.splitlines()[-1])
    assert ratio == drawn_ratio == 2
    assert needed <= DOCK_WIDTH_PX
    assert cut == []
