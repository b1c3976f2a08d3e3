"""Zarr stores in napari: shown tile by tile, prompted on the right pixel."""

import numpy as np
import pytest
import zarr
from napari.components import ViewerModel

from napari_sam2.io.images.ome_zarr import ZARR_FORMAT, Multiscale
from napari_sam2.layers.viewer.image_geometry import FrameGeometry, LayerFrames
from napari_sam2.movies import pyramid
from napari_sam2.movies.movie import Calibration
from napari_sam2.movies.pyramid import overview_of
from napari_sam2.widgets import zarr_reader
from napari_sam2.widgets.zarr_reader import get_reader, read_layers

SHAPE = (3, 2100, 1300)


@pytest.fixture
def pixels():
    pixels = np.random.default_rng(1).integers(100, 200, SHAPE, np.uint16)
    pixels[1, 1500:1520, 700:720] = 4000
    return pixels


@pytest.fixture
def plain(tmp_path, pixels):
    path = tmp_path / "plain.zarr"
    zarr.create_array(path, data=pixels, chunks=(1, 256, 256))
    return path


def open_layer(path):
    ((data, settings, kind),) = get_reader(str(path))(str(path))
    assert kind == "image"
    viewer = ViewerModel()
    return viewer, viewer.add_image(data, **settings)


def test_a_plain_array_gets_levels_that_fill(plain, pixels, qtbot, monkeypatch):
    monkeypatch.setattr(pyramid, "COARSEST_PX", 300)
    viewer, image = open_layer(plain)
    monkeypatch.setattr(zarr_reader.napari, "current_viewer", lambda: viewer)
    assert image.multiscale and image.axis_labels == ("t", "y", "x") and image.name == "plain"
    assert [level.shape for level in image.data][:2] == [SHAPE, (3, 1050, 650)]
    low, high = image.contrast_limits
    assert 100 <= low < high <= 4000
    viewer.dims.set_point(0, 1)
    image._update_level_and_corners(np.array([[0, 0], [2100, 1300]]), np.array([260, 160]), [1, 2])
    qtbot.waitUntil(lambda: overview_of(image.data).is_idle, timeout=20_000)
    step = 2**image.data_level
    assert image.data_level > 0
    shown = (1, 1510 // step * step, 710 // step * step)
    qtbot.waitUntil(lambda: image.get_value(shown, world=True)[1] == 4000)
    # the network gets the pixels, whatever the canvas has
    frames = LayerFrames(image, FrameGeometry.of(image))
    seen = frames.window(2, slice(0, 2100), slice(0, 1300), (100, 100))
    assert seen.min() >= 100


def test_ome_zarr_lies_where_its_metadata_say(tmp_path, pixels):
    path = tmp_path / "cells.ome.zarr"
    group = zarr.create_group(path, zarr_format=ZARR_FORMAT["0.5"])
    known = Calibration((0.5, 0.25), "um", z_step=2.0)
    image = Multiscale("ZYX", ("0", "1"), known, (1, 4))
    group.attrs.update(image.attributes("0.5"))
    group.create_array("0", data=pixels)
    group.create_array("1", data=pixels[:, ::4, ::4])
    _, layer = open_layer(path)
    assert layer.axis_labels == ("z", "y", "x") and layer.name == "cells"
    np.testing.assert_array_equal(layer.scale, (2, 0.5, 0.25))
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 3
    assert layer.data[1].shape == (3, 525, 325)
    np.testing.assert_array_equal(layer.data[1][1], pixels[1, ::4, ::4])


def test_small_frames_are_one_array(tmp_path):
    path = tmp_path / "small.zarr"
    colours = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    zarr.create_array(path, data=colours)
    _, layer = open_layer(path)
    assert layer.rgb and not layer.multiscale and layer.axis_labels == ("y", "x")
    np.testing.assert_array_equal(np.asarray(layer.data), colours)


def test_more_axes_than_can_be_guessed_have_no_names(tmp_path):
    path = tmp_path / "many.zarr"
    zarr.create_array(path, data=np.ones((2, 3, 4, 50, 60), np.float32))
    _, layer = open_layer(path)
    assert layer.ndim == 5


def test_what_is_no_image_is_said(tmp_path):
    assert get_reader(str(tmp_path / "none.zarr")) is None
    assert get_reader([]) is None
    zarr.create_array(tmp_path / "line.zarr", data=np.ones(9))
    with pytest.raises(ValueError, match="expected an image"):
        open_layer(tmp_path / "line.zarr")
    zarr.create_group(tmp_path / "empty.zarr")
    with pytest.raises(ValueError, match="expected an OME-Zarr image or one array, found none"):
        open_layer(tmp_path / "empty.zarr")


def test_missing_chunks_are_shown_as_a_warning(tmp_path, pixels):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=pixels + 1, chunks=(1, *pixels.shape[1:]))
    next(file for file in (path / "c").rglob("*") if file.is_file()).unlink()
    with pytest.warns(UserWarning, match=r"a\.zarr: 1 of \d+ chunks are missing"):
        read_layers(str(path))
