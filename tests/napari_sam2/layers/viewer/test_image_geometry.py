"""An image layer as a movie."""

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Points

from napari_sam2.layers.viewer.image_geometry import (
    FrameGeometry,
    LayerFrames,
    placement,
    to_image_pixels,
)
from napari_sam2.movies.appearance import Appearance


def test_a_movie(movie):
    geometry = FrameGeometry.of(movie)
    assert (geometry.frame_axis, geometry.n_frames, geometry.frame_shape) == (0, 5, (40, 60))
    assert geometry.index(3) == (3,)
    assert [geometry.frame_at([t]) for t in (-1, 0, 3.4, 4.6)] == [None, 0, 3, None]


def test_a_single_image():
    geometry = FrameGeometry.of(Image(np.zeros((40, 60))))
    assert (geometry.frame_axis, geometry.n_frames, geometry.index(0)) == (None, 1, ())
    assert geometry.frame_at([]) == 0


def test_rgb_is_no_axis():
    image = Image(np.arange(4 * 6 * 8 * 4, dtype=np.uint8).reshape(4, 6, 8, 4), rgb=True)
    geometry = FrameGeometry.of(image)
    assert (geometry.n_frames, geometry.frame_shape) == (4, (6, 8))
    frame = LayerFrames(image, geometry)[2]
    np.testing.assert_array_equal(frame, image.data[2, ..., :3])


@pytest.mark.parametrize(
    ("shape", "labels", "axis"),
    [
        ((3, 4, 6, 8), ("z", "t", "y", "x"), (1, 0)),
        ((3, 4, 6, 8), ("Time", "Z", "y", "x"), (0, 1)),
        ((1, 4, 6, 8), ("t", "z", "y", "x"), 1),
        ((3, 1, 6, 8), ("t", "z", "y", "x"), 0),
        ((3, 4, 6, 8), ("z", "c", "y", "x"), 0),
        ((3, 4, 6, 8), ("c", "z", "y", "x"), 1),
        ((1, 4, 6, 8), ("c", "z", "y", "x"), 1),
        ((3, 4, 6, 8), ("-4", "-3", "-2", "-1"), 0),
        ((1, 6, 8), ("z", "y", "x"), 0),
        ((3, 6, 8), ("c", "y", "x"), None),
        ((6, 8), ("y", "x"), None),
    ],
)
def test_the_likely_axes(shape, labels, axis):
    image = Image(np.zeros(shape), axis_labels=labels)
    assert FrameGeometry.of(image).along == axis


def test_the_other_axes_stay_where_the_viewer_stands():
    data = np.arange(3 * 4 * 6 * 8).reshape(3, 4, 6, 8)
    image = Image(data, scale=(1, 2, 1, 1), axis_labels=("t", "z", "y", "x"))
    geometry = FrameGeometry.of(image, frame_axis=0, point=(2, 5.9, 0, 0))
    assert geometry.index(1) == (1, 3)
    assert geometry.frame_at((1, 3)) == 1
    assert geometry.frame_at((1, 2)) is None
    np.testing.assert_array_equal(LayerFrames(image, geometry)[1], data[1, 3])
    along_z = FrameGeometry.of(image, frame_axis=1, point=(2, 0, 0, 0))
    np.testing.assert_array_equal(LayerFrames(image, along_z)[3], data[2, 3])


def test_an_axis_that_is_none_of_the_frames(movie):
    with pytest.raises(ValueError, match="expected one of the 1 axes"):
        FrameGeometry.of(movie, frame_axis=1)


def test_frames_are_read_one_at_a_time():
    read = []

    def block(block_id):
        read.append(block_id[0])
        return np.full((1, 6, 8), block_id[0], np.uint16)

    image = Image(da.map_blocks(block, chunks=((1,) * 9, 6, 8), dtype=np.uint16, meta=np.empty(0)))
    read.clear()
    frames = LayerFrames(image, FrameGeometry.of(image))
    assert len(frames) == 9
    assert isinstance(frames[7], np.ndarray)
    assert frames[7].max() == 7
    assert set(read) == {7}
    with pytest.raises(IndexError, match=r"frame 9 is outside the movie \(0\.\.8\)"):
        frames[9]


def test_multiscale_is_read_at_full_resolution():
    data = np.random.default_rng(0).random((3, 16, 24))
    image = Image([data, data[:, ::2, ::2]], multiscale=True)
    geometry = FrameGeometry.of(image)
    assert geometry.frame_shape == (16, 24)
    np.testing.assert_array_equal(LayerFrames(image, geometry)[1], data[1])


def test_placement_puts_a_layer_where_the_image_is(movie):
    movie.rotate = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    movie.affine = np.diag([1, 2, 3, 1])
    points = Points(np.zeros((0, 3)), ndim=3, **placement(movie))
    position = (1, 7, 9)
    np.testing.assert_allclose(points.data_to_world(position), movie.data_to_world(position))
    assert points.units == movie.units
    assert points.axis_labels == movie.axis_labels


def test_positions_go_through_the_world(movie):
    movie.affine = [[1, 0, 0, 0], [0, 0.9, -0.3, 4], [0, 0.2, 1.1, 5], [0, 0, 0, 1]]
    points = Points(ndim=3, scale=(2, 3, 0.5), translate=(0, -7, 1))
    positions = np.random.default_rng(0).random((20, 3)) * 30
    expected = [movie.world_to_data(points.data_to_world(p)) for p in positions]
    np.testing.assert_allclose(to_image_pixels(positions, points, movie), expected)


def test_a_movie_of_stacks():
    data = np.arange(4 * 3 * 6 * 8).reshape(4, 3, 6, 8)
    image = Image(data, axis_labels=("z", "t", "y", "x"))
    geometry = FrameGeometry.of(image)
    assert (geometry.n_frames, geometry.n_planes, geometry.n_times) == (12, 4, 3)
    assert geometry.index(6) == (2, 1)  # time 1, plane 2
    assert geometry.frame_at((2, 1)) == 6
    assert geometry.frame_at((4, 1)) is None
    np.testing.assert_array_equal(LayerFrames(image, geometry)[6], data[2, 1])
    with pytest.raises(ValueError, match="or two of them"):
        FrameGeometry.of(image, frame_axis=(1, 1))


def test_all_channels_show_the_same_objects():
    data = np.random.default_rng(0).integers(0, 99, (3, 4, 6, 8))
    image = Image(data, axis_labels=("c", "t", "y", "x"))
    geometry = FrameGeometry.of(image, point=(1, 0, 0, 0))
    assert geometry.place() == ""
    assert [geometry.frame_at((c, 2)) for c in range(3)] == [2, 2, 2]
    np.testing.assert_array_equal(LayerFrames(image, geometry)[2], data[1, 2])
    one = LayerFrames(image, geometry, Appearance(channels=(2,)))
    np.testing.assert_array_equal(one[2], data[2, 2])
    two = LayerFrames(image, geometry, Appearance(channels=(2, 0)))[3]
    np.testing.assert_array_equal(two, np.stack([data[2, 3], data[0, 3], 0 * data[0, 3]], -1))


def test_windows_come_from_the_level_that_fits():
    full = da.random.random((2, 64, 96), chunks=16)
    image = Image([full, full[:, ::2, ::2], full[:, ::8, ::8]], multiscale=True)
    frames = LayerFrames(image, FrameGeometry.of(image))
    assert frames.frame_shape == (64, 96)
    window = frames.window(1, slice(16, 64), slice(0, 64), (20, 30))
    np.testing.assert_array_equal(window, full[1, 16:64:2, 0:64:2])
    np.testing.assert_array_equal(frames[1], full[1])


def test_the_step_between_planes_comes_from_the_scale():
    labels = ("t", "z", "y", "x")
    image = Image(np.zeros((2, 3, 8, 9)), axis_labels=labels, scale=(30, 2, 0.5, 0.25))
    frames = LayerFrames(image, FrameGeometry.of(image))
    assert frames.plane_step_px == pytest.approx(2 / np.sqrt(0.5 * 0.25))
    unknown = Image(np.zeros((2, 3, 8, 9)), axis_labels=labels)
    assert LayerFrames(unknown, FrameGeometry.of(unknown)).plane_step_px is None
    stack = Image(np.zeros((3, 8, 9)), axis_labels=labels[1:], scale=(2, 0.5, 0.5))
    planes = LayerFrames(stack, FrameGeometry.of(stack))
    assert planes.is_stack and planes.plane_step_px == 4
    movie = Image(np.zeros((3, 8, 9)), axis_labels=("t", "y", "x"), scale=(2, 0.5, 0.5))
    times = LayerFrames(movie, FrameGeometry.of(movie))
    assert not times.is_stack and times.plane_step_px is None
