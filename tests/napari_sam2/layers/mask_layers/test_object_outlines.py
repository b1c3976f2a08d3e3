"""Outlines and names of objects in the image."""

import numpy as np
import pytest

from napari_sam2.annotation.objects import ObjectRecord
from napari_sam2.layers.mask_layers.object_outlines import (
    CURRENT,
    DAUGHTER,
    MOTHER,
    outline_segments,
)
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from napari_sam2.layers.workspace import Listener, Workspace
from sam2_torch.masks import SparseMask


@pytest.fixture
def workspace(viewer, movie):
    workspace = Workspace(viewer, movie, FrameGeometry.of(movie), Listener(lambda *_: None))
    for object_id in (1, 2, 3):
        workspace.objects.set(object_id, ObjectRecord(f"cell {object_id}"))
    workspace.masklets.paint(1, 1, box(5, 10))
    workspace.masklets.paint(2, 2, box(2, 8))
    workspace.masklets.paint(3, 2, box(9, 14))
    workspace.go_to(1)
    yield workspace
    workspace.close()


def box(y, x):
    mask = np.zeros((40, 60), bool)
    mask[y : y + 6, x : x + 8] = True
    return mask


def drawn(workspace):
    scene = workspace.pointers.scene
    return [line.colour for line in scene.lines], [name.text for name in scene.names]


def test_an_outline_runs_along_the_edges_of_pixels():
    mask = np.zeros((9, 12), bool)
    mask[3:5, 6:9] = True
    mask[4, 7] = False  # an inner edge belongs to it
    segments = outline_segments(SparseMask.from_dense(mask))
    assert len(segments) == 2 + 3 + 3 + 2 + 2  # left and right, top, bottom, the notch
    np.testing.assert_allclose(np.abs(np.diff(segments, axis=1)).sum((1, 2)), 1)
    np.testing.assert_allclose(segments.reshape(-1, 2).min(0), (2.5, 5.5))
    np.testing.assert_allclose(segments.reshape(-1, 2).max(0), (4.5, 8.5))


def test_the_current_object_is_outlined_and_named_where_it_is(workspace, viewer):
    assert drawn(workspace) == ([CURRENT], ["cell 1"])
    workspace.go_to(2)
    assert drawn(workspace) == ([], [])
    workspace.current_object = 3
    assert drawn(workspace) == ([CURRENT], ["cell 3"])
    (place,) = [name.place_yx for name in workspace.pointers.scene.names]
    assert place == (8.5, 17.5)
    workspace.outputs.set_hidden([3])
    assert drawn(workspace) == ([], [])
    workspace.outputs.set_hidden([])
    viewer.dims.ndisplay = 3
    assert drawn(workspace) == ([], [])


def test_all_objects_can_show_their_names(workspace):
    workspace.go_to(2)
    workspace.pointers.shows_all_names = True
    workspace.pointers.update()
    assert drawn(workspace) == ([], ["cell 2", "cell 3"])


def test_mother_and_daughters_have_two_colours_until_another_object_is_chosen(workspace):
    workspace.go_to(2)
    workspace.pointers.point_at({1: MOTHER, 2: DAUGHTER, 3: DAUGHTER})
    # she ends in the frame before
    assert drawn(workspace) == ([MOTHER, DAUGHTER, DAUGHTER], ["cell 2", "cell 3"])
    workspace.current_object = 2
    assert drawn(workspace) == ([CURRENT], ["cell 2"])


def test_marks_are_no_layer(workspace, viewer):
    assert [layer.name for layer in viewer.layers] == ["movie"]
