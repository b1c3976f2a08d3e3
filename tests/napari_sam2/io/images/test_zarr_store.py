import numpy as np
import pytest
import zarr

from napari_sam2.io.images.ome_zarr import ZARR_FORMAT, Multiscale
from napari_sam2.io.read import read_movie
from napari_sam2.movies.movie import Calibration

CALIBRATION = Calibration((0.5, 0.25), "um", 2.0, 90.0, "s")


def write_image(path, array, axes, version, calibration=CALIBRATION):
    """Write full and half resolution."""
    group = zarr.open_group(path, mode="w", zarr_format=ZARR_FORMAT[version])
    image = Multiscale(axes, ("0", "1"), calibration, (1, 2))
    group.attrs.update(image.attributes(version, "cells"))
    group.create_array("0", data=array, chunks=(1,) * (array.ndim - 2) + (16, 16))
    group.create_array("1", data=array[..., ::2, ::2])
    return path


def pixels(shape):
    return np.arange(np.prod(shape), dtype=np.uint32).reshape(shape)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("name", ["a.zarr", "a.ome.zarr"])
def test_an_ome_zarr_image(tmp_path, version, name):
    array = pixels((2, 3, 4, 40, 60))
    path = write_image(tmp_path / name, array, "TCZYX", version)
    movie = read_movie(path, channel=2)
    assert (movie.layout.label_axes, movie.layout.label_shape) == ("TZYX", (2, 4, 40, 60))
    np.testing.assert_array_equal(movie[5], array[1, 2, 1])
    assert movie.calibration == CALIBRATION
    low = movie.window(5, slice(0, 40), slice(0, 60), (20, 30))
    np.testing.assert_array_equal(low, array[1, 2, 1, ::2, ::2])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_plain_array(tmp_path, zarr_format):
    array = pixels((5, 40, 60))
    zarr.create_array(tmp_path / "a.zarr", data=array, zarr_format=zarr_format)
    np.testing.assert_array_equal(read_movie(tmp_path / "a.zarr", "ZYX")[3], array[3])


def test_a_group_with_one_array(tmp_path):
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_array("x", data=pixels((5, 40, 60)))
    assert read_movie(tmp_path / "a.zarr").n_frames == 5
    assert read_movie(tmp_path / "a.zarr" / "x").n_frames == 5


def test_the_first_series_of_a_converted_file(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.attrs["bioformats2raw.layout"] = 3
    write_image(tmp_path / "a.zarr" / "0", pixels((5, 40, 60)), "TYX", "0.4")
    assert read_movie(tmp_path / "a.zarr").calibration.time_interval == 90


def test_scales_of_datasets_and_of_the_image_are_multiplied():
    axes = [{"name": "y", "unit": "micrometer"}, {"name": "x", "unit": "micrometer"}]
    scale = [{"type": "scale", "scale": [2, 3]}]
    dataset = {"path": "0", "coordinateTransformations": scale}
    image = {"axes": axes, "datasets": [dataset], "coordinateTransformations": scale}
    found = Multiscale.find({"multiscales": [image]})
    assert found is not None and found.calibration.pixel_size_yx == (4, 9)


def test_a_scale_without_a_unit_is_kept_unless_it_is_1():
    dataset = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [2, 3]}]}
    image = {"axes": ["y", "x"], "datasets": [dataset]}
    found = Multiscale.find({"ome": {"multiscales": [image]}})
    assert found is not None and found.calibration == Calibration((2, 3), "")
    dataset["coordinateTransformations"] = [{"type": "scale", "scale": [1, 1]}]
    found = Multiscale.find({"multiscales": [image]})
    assert found is not None and found.calibration == Calibration()


def test_what_is_no_image_is_said(tmp_path):
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(ValueError, match=r"empty\.zarr: expected a Zarr array or an OME-Zarr"):
        read_movie(tmp_path / "empty.zarr")
    group = zarr.open_group(tmp_path / "group.zarr", mode="w")
    with pytest.raises(ValueError, match=r"expected an OME-Zarr image or one array, found none"):
        read_movie(tmp_path / "group.zarr")
    group.attrs["plate"] = {"wells": [{"path": "B/3"}]}
    with pytest.raises(ValueError, match=r"found a plate; give the folder of .* example B/3/0"):
        read_movie(tmp_path / "group.zarr")


def test_an_incomplete_or_damaged_store_is_said(tmp_path):
    path = write_image(tmp_path / "a.zarr", pixels((5, 40, 60)), "TYX", "0.4")
    chunk = path / "0" / "2" / "0" / "0"
    if not chunk.exists():
        chunk = path / "0" / "2.0.0"
    chunk.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"a\.zarr: a chunk of 0 cannot be read"):
        read_movie(path)[2]
    (path / "1" / ".zarray").unlink()
    with pytest.raises(ValueError, match=r"a\.zarr: expected the array 1 that its metadata name"):
        read_movie(path)
    bad = write_image(tmp_path / "b.zarr", pixels((5, 40, 60)), "TZYX", "0.5")
    with pytest.raises(ValueError, match=r"expected an array of the axes TZYX, found one of"):
        read_movie(bad)
