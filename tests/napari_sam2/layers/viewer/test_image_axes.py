import numpy as np
import pytest
from napari.layers import Image

from napari_sam2.layers.viewer.image_axes import ImageAxes, axes_of, axes_of_file, write_axes
from napari_sam2.movies.calibration import Calibration

STACK = ImageAxes("ZYX", Calibration((0.8, 0.7), "um", 1.75))


def test_names_come_before_units_and_those_of_the_viewer_last():
    named = Image(np.zeros((3, 8, 9)), axis_labels=("z", "y", "x"))
    assert axes_of(named, ("t", "y", "x")).letters == "ZYX"
    in_units = Image(np.zeros((3, 8, 9)), scale=(2, 1, 1), units=("um", "um", "um"))
    assert axes_of(in_units).letters == "ZYX"
    assert axes_of(in_units).calibration == Calibration((1.0, 1.0), "um", 2.0)
    plain = Image(np.zeros((2, 3, 8, 9)))
    assert axes_of(plain) == ImageAxes("??YX", Calibration())
    assert axes_of(plain, ("0", "Depth", "y", "x")).letters == "?ZYX"
    assert axes_of(Image(np.zeros((8, 9)))).letters == "YX"


def test_what_the_layer_knows_wins_over_the_file():
    own = ImageAxes("?CYX", Calibration((0.5, 0.5), "um"))
    stated = ImageAxes("ZCYX", Calibration((2, 2), "nm", 3000, 7, "s"))
    found = own.completed(None, stated)
    assert found == ImageAxes("ZCYX", Calibration((0.5, 0.5), "um", 3.0))
    assert found.completed(stated) is found


@pytest.mark.parametrize(
    ("layer", "letters", "file", "found"),
    [
        ((49, 8, 9), "ZYX", (49, 8, 9), "ZYX"),
        ((49, 8, 9), "TZCYX", (1, 49, 1, 8, 9), "ZYX"),
        ((49, 8, 9), "ZCYX", (49, 2, 8, 9), "ZYX"),  # one of its channels
        ((1, 49, 8, 9), "ZYX", (49, 8, 9), "?ZYX"),
        ((48, 8, 9), "ZYX", (49, 8, 9), None),
    ],
)
def test_axes_of_a_file_are_those_of_the_same_length(layer, letters, file, found):
    stated = axes_of_file(Image(np.zeros(layer)), letters, file, Calibration())
    assert (stated and stated.letters) == found


def test_written_axes_keep_every_layer_and_the_view_where_they_are(viewer):
    image = viewer.add_image(np.zeros((5, 30, 50)), translate=(0, 4, 6))
    spots = viewer.add_points([[2, 10, 20]], ndim=3)
    flat = viewer.add_labels(np.zeros((30, 50), int))
    other = viewer.add_image(np.zeros((30, 50)), scale=(3, 3))
    viewer.dims.set_point(0, 3)
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 14, 26), 8
    before = image.world_to_data((3, 14, 26))
    write_axes(viewer, image, STACK)
    assert axes_of(image).letters == "ZYX"
    assert axes_of(image).calibration.z_step == 1.75
    np.testing.assert_allclose(image.scale, (1.75, 0.8, 0.7))
    assert list(map(str, image.units)) == ["micrometer"] * 3
    np.testing.assert_allclose(image.translate, (0, 3.2, 4.2))
    np.testing.assert_allclose(spots.scale, (1.75, 0.8, 0.7))
    np.testing.assert_allclose(flat.scale, (0.8, 0.7))
    np.testing.assert_allclose(other.scale, (3, 3))
    np.testing.assert_allclose(image.world_to_data(viewer.dims.point)[0], 3)
    centre = (viewer.dims.point[0], *viewer.scene.camera.center[-2:])
    np.testing.assert_allclose(image.world_to_data(centre), before)
    np.testing.assert_allclose(viewer.scene.camera.zoom * 0.7, 8)
