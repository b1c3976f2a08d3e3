import numpy as np
from napari.layers import Image, Labels

from napari_sam2.layers.tracked_image import layer_axes, layer_calibration, measured_channels
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from napari_sam2.movies.movie import Calibration
from napari_sam2.sample_data import sample_dividing_nuclei, sample_embryo_nuclei


def read(image: Image) -> tuple[str, Calibration]:
    geometry = FrameGeometry.of(image)
    return layer_axes(image, geometry), layer_calibration(image, geometry)


def test_the_samples_are_a_movie_and_a_stack() -> None:
    data, settings, _ = sample_dividing_nuclei()[0]
    assert read(Image(data, **settings)) == ("TYX", Calibration((0.65, 0.65), "um", None, 300.0))
    data, settings, _ = sample_embryo_nuclei()[0]
    axes, calibration = read(Image(data, **settings))
    z, y, x = settings["scale"]
    assert (axes, calibration) == ("ZYX", Calibration((y, x), "um", z))


def test_times_in_the_scale_count() -> None:
    units = ("minute", "nanometer", "nanometer")
    labels = ("time", "y", "x")
    image = Image(np.zeros((3, 8, 9)), scale=(2, 100, 50), units=units, axis_labels=labels)
    assert read(image) == ("TYX", Calibration((100.0, 50.0), "nm", None, 2.0, "min"))


def test_a_movie_of_stacks_has_both_steps() -> None:
    settings = {"scale": (30, 2, 0.5, 0.25), "units": ("s", "um", "um", "um")}
    settings |= {"axis_labels": ("t", "z", "y", "x")}
    found = read(Image(np.zeros((3, 4, 8, 9)), **settings))
    assert found == ("TZYX", Calibration((0.5, 0.25), "um", 2.0, 30.0))


def test_a_scale_in_pixels_has_no_unit() -> None:
    assert read(Image(np.zeros((3, 8, 9)), scale=(1, 2, 3))) == ("TYX", Calibration((2, 3), ""))
    assert read(Image(np.zeros((8, 9)))) == ("YX", Calibration())


def test_channels_are_those_of_the_image_and_of_layers_like_it() -> None:
    pixels = np.arange(3 * 2 * 8 * 9).reshape(3, 2, 8, 9)
    place = {"scale": (1, 1, 0.5, 0.5), "axis_labels": ("t", "c", "y", "x")}
    image = Image(pixels, name="movie", **place)
    found = measured_channels(image, FrameGeometry.of(image))
    assert list(found) == ["movie_0", "movie_1"]
    np.testing.assert_array_equal(found["movie_1"][2], pixels[2, 1])
    green, red = (Image(pixels[:, i], name=n, translate=(0, 5, 5)) for i, n in enumerate("gr"))
    elsewhere = Image(pixels[:, 0], name="elsewhere")
    shorter = Image(pixels[:2, 0], name="shorter", translate=(0, 5, 5))
    masks = Labels(pixels[:, 0], name="masks", translate=(0, 5, 5))
    layers = [green, red, elsewhere, shorter, masks]
    found = measured_channels(green, FrameGeometry.of(green), layers)
    assert list(found) == ["g", "r"]
    np.testing.assert_array_equal(found["r"][1], pixels[1, 1])
