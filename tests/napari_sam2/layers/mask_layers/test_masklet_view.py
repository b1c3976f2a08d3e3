"""Masklets as an array, by itself and as the data of a Labels layer."""

import numpy as np
import pytest
from napari.layers import Image

from napari_sam2.layers.mask_layers.masklet_view import MaskletView
from napari_sam2.layers.viewer.image_geometry import FrameGeometry, placement
from napari_sam2.masks.masklets import Masklets

SHAPE = (5, 40, 60)


class CountingMasklets(Masklets):
    """Notes which frames are drawn."""

    drawn: list[int]

    def draw(self, frame, where, out, object_ids=None):
        self.drawn.append(frame)
        return super().draw(frame, where, out, object_ids)


@pytest.fixture
def dense():
    """What the masklets below look like as an array: object 4 over object 2."""
    labels = np.zeros(SHAPE, np.uint16)
    labels[1:4, 5:15, 10:30] = 2
    labels[2, 10:20, 20:40] = 4
    return labels


@pytest.fixture
def masklets():
    masklets = CountingMasklets(SHAPE[0], SHAPE[1:])
    masklets.drawn = []
    for frame in (1, 2, 3):
        masklets.paint(2, frame, np.pad(np.ones((10, 20)), ((5, 25), (10, 30))))
    masklets.paint(4, 2, np.pad(np.ones((10, 20)), ((10, 20), (20, 20))))
    return masklets


@pytest.fixture
def view(masklets):
    return MaskletView(masklets, FrameGeometry(SHAPE, 0, (0,)))


KEYS = [
    np.s_[2],
    np.s_[-1],
    np.s_[2, 12, 25],
    np.s_[2, :, :],
    np.s_[2:3, 5:12, 20:33],
    np.s_[:, 12, :],
    np.s_[1:4, ::-2, 25],
    np.s_[..., 25],
    np.s_[...],
    np.s_[[1, 3]],
    np.s_[[1, 3], 5:12],
    np.s_[[1, 2, 2], [5, 12, 0], [10, 25, 0]],
    np.s_[np.array([[1], [2]]), 12, np.array([[10, 25, 0]])],
]


@pytest.mark.parametrize("key", KEYS)
def test_reading_is_as_of_an_array(view, dense, key):
    np.testing.assert_array_equal(view[key], dense[key])
    assert view[key].dtype == dense.dtype


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("label", [0, 4, 7])
def test_painting_is_as_into_an_array(view, dense, key, label):
    view[key] = label
    dense[key] = label
    np.testing.assert_array_equal(view, dense)


def test_painting_an_array_of_values(view, dense):
    values = np.random.default_rng(0).integers(0, 5, (2, 8, 9))
    view[1:3, 4:12, 20:29] = values
    dense[1:3, 4:12, 20:29] = values
    view[[0, 4], [1, 2], [3, 4]] = [2, 4]
    dense[[0, 4], [1, 2], [3, 4]] = [2, 4]
    np.testing.assert_array_equal(view, dense)


def test_a_mask_as_an_index(view, dense):
    np.testing.assert_array_equal(view[dense == 4], dense[dense == 4])
    view[dense == 4] = 0
    assert not (view == 4).any()


def test_what_cannot_be_indexed(view):
    for key in (np.s_[0, 0, 0, 0], np.s_[None], np.s_[0:2, [1, 2], [3, 4]]):
        with pytest.raises(IndexError, match="labels: "):
            view[key]


def test_only_the_frames_asked_for_are_made(view, masklets):
    view[3, 5:9, 4:8]
    view[[3, 3], [5, 6], [7, 8]]
    view[2:3, 0:4, 0:4] = 1
    assert set(masklets.drawn) == {2, 3}
    assert view.any()
    assert np.max(view) == 4
    assert set(masklets.drawn) == {2, 3}


def test_one_object_alone(masklets, dense):
    view = MaskletView(masklets, FrameGeometry(SHAPE, 0, (0,)), object_id=2)
    assert (view == 2).sum() == 3 * 10 * 20  # also where object 4 lies over it
    assert np.max(view) == 2
    view[0, 0, :3] = 9  # any label but 0 is the object
    assert masklets.get(2, 0).area == 3
    view[2] = 0
    assert masklets.get(2, 2).area == 0
    assert masklets.get(4, 2).area == 200
    assert MaskletView(masklets, view.geometry, 3).any() is False


def test_painting_over_an_overlap_leaves_one_object(view, masklets):
    view[2, 12, 25] = 0
    assert [masklets.get(i, 2).area for i in (2, 4)] == [199, 199]
    view[2, 13, 25] = 2
    assert [masklets.get(i, 2).area for i in (2, 4)] == [199, 198]


def test_what_was_painted_is_told(masklets):
    told = []
    geometry = FrameGeometry(SHAPE, 0, (0,))
    view = MaskletView(masklets, geometry, on_paint=lambda *key: told.append(key))
    view[2, 12, 25] = 4  # as it was
    assert told == []
    view[2, 12, 25] = 7
    assert sorted(told) == [(2, 2), (4, 2), (7, 2)]


def test_planes_outside_of_the_movie_are_background():
    masklets = Masklets(3, (6, 8))
    masklets.paint(1, 2, np.ones((6, 8)))
    view = MaskletView(masklets, FrameGeometry((3, 4, 6, 8), 0, (0, 3)))
    assert view[2].sum(axis=(1, 2)).tolist() == [0, 0, 0, 48]
    view[2, 1] = 0
    with pytest.raises(IndexError, match=r"is not part of the movie"):
        view[2, 1] = 1


def test_a_single_image():
    masklets = Masklets(1, (6, 8))
    view = MaskletView(masklets, FrameGeometry((6, 8), None, ()))
    view[2:4, 3] = 5
    assert view[:, 3].tolist() == [0, 0, 5, 5, 0, 0]
    assert view[2, 3] == 5
    assert masklets.get(5, 0).area == 2


# in napari


@pytest.fixture
def layer(viewer, movie, masklets):
    view = MaskletView(masklets, FrameGeometry.of(movie))
    layer = viewer.add_labels(view, **placement(movie))
    viewer.dims.set_point(0, 4)  # frame 2
    masklets.drawn.clear()
    return layer


def shown(layer):
    """What is seen on the canvas."""
    layer.refresh()
    return layer.get_value((4, 10 + 0.5 * 30, 20 + 0.25 * 5), world=True)


def test_napari_shows_one_frame(viewer, layer, masklets):
    viewer.dims.set_point(0, 6)
    assert set(masklets.drawn) == {3}
    layer.refresh()
    layer.contour = 2
    assert layer.thumbnail.any()
    assert set(masklets.drawn) == {3}


def test_painting_and_undo(layer, masklets, dense):
    layer.selected_label, layer.brush_size = 2, 5
    layer.paint((2, 30, 5), 2)
    assert shown(layer) == 2
    assert masklets.get(2, 2).area > 200
    layer.undo()
    assert shown(layer) == 0
    layer.redo()
    assert shown(layer) == 2
    assert not {1, 3, 4}.intersection(masklets.drawn)  # napari looks at frame 0 for the type
    layer.undo()
    np.testing.assert_array_equal(layer.data, dense)


def test_fill_polygon_and_setitem(layer, dense):
    layer.fill((2, 15, 30), 6)
    dense[2][dense[2] == 4] = 6
    layer.data_setitem((np.array([2, 2]), np.array([30, 31]), np.array([5, 5])), 2)
    dense[2, 30:32, 5] = 2
    np.testing.assert_array_equal(layer.data, dense)
    assert shown(layer) == 2
    layer.paint_polygon(np.array([[2, 25, 2], [2, 35, 2], [2, 35, 9], [2, 25, 9]]), 4)
    assert shown(layer) == 4
    for _ in range(3):
        layer.undo()
    assert shown(layer) == 0


def test_painting_through_all_frames(layer, masklets):
    layer.n_edit_dimensions, layer.brush_size = 3, 3
    layer.paint((2, 30, 5), 2)
    assert all(masklets.get(2, t).area for t in (1, 2, 3))


def test_a_turned_viewer_shows_the_other_plane(viewer, layer, dense):
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_point(1, 10 + 0.5 * 12)  # row 12
    assert layer.get_value((4, 16, 20 + 0.25 * 25), world=True) == 4


def test_three_dimensions_show_everything(viewer, layer, masklets):
    viewer.dims.ndisplay = 3
    assert set(masklets.drawn) == set(range(5))


def test_a_duplicate_is_independent(viewer, layer, masklets, dense):
    from napari.layers._layer_actions import _duplicate_layer

    viewer.layers.selection.active = layer
    _duplicate_layer(viewer.layers)
    masklets.remove(2)
    np.testing.assert_array_equal(viewer.layers[-1].data, dense)


def test_saving_and_reading_again(layer, dense, tmp_path):
    import tifffile
    from napari_builtins.io import napari_write_labels

    path = str(tmp_path / "labels.tif")
    assert napari_write_labels(path, layer.data, layer.as_layer_data_tuple()[1]) == path
    np.testing.assert_array_equal(tifffile.imread(path), dense)


def test_labels_of_an_rgb_movie(viewer):
    image = Image(np.zeros((4, 6, 8, 3), np.uint8), rgb=True)
    viewer.add_layer(image)
    masklets = Masklets(4, (6, 8))
    layer = viewer.add_labels(MaskletView(masklets, FrameGeometry.of(image)), **placement(image))
    assert layer.data.shape == (4, 6, 8)
    layer.paint((3, 2, 2), 1)
    assert masklets.frames(1) == (3,)


def test_a_hidden_object_is_not_seen_and_not_painted_over(masklets, dense):
    hidden = set()
    view = MaskletView(masklets, FrameGeometry(SHAPE, 0, (0,)), hidden=hidden)
    hidden.add(2)
    np.testing.assert_array_equal(view[2], np.where(dense[2] == 4, 4, 0))
    view[2, 5:8, 10:30] = 4
    hidden.clear()
    assert masklets.get(2, 2).area == 200
    assert masklets.get(4, 2).area == 260
