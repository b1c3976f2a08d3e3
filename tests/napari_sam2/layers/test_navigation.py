"""The object under the mouse, and the viewer brought to an object."""

import numpy as np
import pytest

from napari_sam2.layers.navigation import frame_to_look_at, look_at, object_at
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from napari_sam2.layers.workspace import Listener, Workspace

SHAPE = (40, 60)


@pytest.fixture
def workspace(viewer, movie):
    """Object 1 in frames 0 and 1, object 2 over a part of it in frame 1 and alone in 4."""
    workspace = Workspace(viewer, movie, FrameGeometry.of(movie), Listener(lambda *_: None))
    for object_id, frame, (y, x) in ((1, 0, (5, 10)), (1, 1, (5, 10)), (2, 1, (8, 12))):
        workspace.masklets.paint(object_id, frame, box(y, x))
    workspace.masklets.paint(2, 4, box(25, 50))
    workspace.masklets.paint(2, 3, np.zeros(SHAPE))
    workspace.objects.include(2)
    yield workspace
    workspace.close()


def box(y, x):
    mask = np.zeros(SHAPE, bool)
    mask[y : y + 6, x : x + 8] = True
    return mask


def world(movie, frame, y, x):
    return movie.data_to_world((frame, y, x))


def test_the_object_under_the_mouse(workspace, viewer, movie):
    workspace.go_to(1)
    assert object_at(workspace, world(movie, 1, 6, 11)) == 1
    assert object_at(workspace, world(movie, 1, 9.4, 13.3)) == 2  # it lies over the other
    assert object_at(workspace, world(movie, 1, 13, 19)) == 2
    assert object_at(workspace, world(movie, 1, 30, 30)) is None
    workspace.outputs.set_hidden([2])
    assert object_at(workspace, world(movie, 1, 9, 13)) == 1
    workspace.go_to(4)
    assert object_at(workspace, world(movie, 4, 6, 11)) is None


def test_the_nearest_frame_that_an_object_is_in(workspace):
    assert frame_to_look_at(workspace.masklets, 2, 3) == 4  # it is absent in frame 3
    assert frame_to_look_at(workspace.masklets, 2, 1) == 1
    assert frame_to_look_at(workspace.masklets, 1, None) == 0
    assert frame_to_look_at(workspace.masklets, 7, 2, prompted=[3]) == 3
    assert frame_to_look_at(workspace.masklets, 7, 2) is None


def test_the_viewer_goes_to_an_object(workspace, viewer, movie):
    viewer.scene.camera.center = (10 + 15, 20 + 2.5)
    viewer.scene.camera.zoom = 60  # some 10 x 13 world units are seen
    workspace.go_to(0)
    look_at(workspace, 2)
    assert workspace.shown_frame == 1
    centre = world(movie, 1, 10.5, 15.5)[1:]
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], centre)
    look_at(workspace, 2, 4)
    assert workspace.shown_frame == 4
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], world(movie, 4, 27.5, 53.5)[1:])


def test_the_camera_stays_where_the_object_is_in_view(workspace, viewer):
    viewer.reset_view()
    before = viewer.scene.camera.center
    look_at(workspace, 2, 4)
    assert workspace.shown_frame == 4
    assert viewer.scene.camera.center == before


def test_what_is_nowhere_cannot_be_looked_at(workspace):
    workspace.go_to(2)
    look_at(workspace, 9)
    assert workspace.shown_frame == 2
