"""OpenGL objects of removed layers are deleted in the canvas' own context."""

import numpy as np
import pytest
from qtpy.QtGui import QOpenGLContext

from napari_sam2.layers.viewer.canvas_context import make_current_when_flushed


@pytest.fixture
def shown(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    canvas = viewer.window._qt_viewer.canvas
    make_current_when_flushed(canvas)
    viewer.add_image(np.zeros((3, 20, 30), np.uint8))
    qtbot.waitUntil(canvas.native.isValid)
    qtbot.wait(50)
    return viewer, canvas


@pytest.mark.parametrize("remove", ["clear", "remove_selected"])
def test_commands_of_removed_layers_run_in_the_context_of_the_canvas(shown, monkeypatch, remove):
    viewer, canvas = shown
    viewer.add_labels(np.ones((3, 20, 30), np.uint8))
    viewer.layers.select_all()
    used = []
    parser = canvas._scene_canvas.context.shared.parser
    parse = parser.parse

    def note(commands):
        used.append(QOpenGLContext.currentContext())
        return parse(commands)

    monkeypatch.setattr(parser, "parse", note)
    canvas.native.doneCurrent()
    getattr(viewer.layers, remove)()
    assert used
    assert set(used) == {canvas.native.context()}


def test_a_second_call_wraps_nothing(shown):
    _, canvas = shown
    finish = canvas._scene_canvas.context.finish
    make_current_when_flushed(canvas)
    assert canvas._scene_canvas.context.finish is finish
