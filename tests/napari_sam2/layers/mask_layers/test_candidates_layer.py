"""Found objects in a layer of an anisotropic, shifted movie; no screen needed."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.layers.mask_layers.candidates_layer import FoundLayer, FoundObject
from napari_sam2.layers.viewer.image_geometry import FrameGeometry
from sam2_torch.masks import SparseMask

SHAPE = (3, 20, 30)
PLACE = {"scale": (1, 0.5, 0.25), "translate": (0, 10, 20)}


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def image(viewer):
    return viewer.add_image(np.zeros(SHAPE, np.uint16), name="cells", **PLACE)


def block(row, score, frame=0, likeness=None):
    mask = np.zeros(SHAPE[1:], bool)
    mask[row : row + 3, 5:9] = True
    return FoundObject(frame, SparseMask.from_dense(mask), score, likeness)


@pytest.fixture
def found(viewer, image):
    layer = FoundLayer(viewer, image, FrameGeometry.of(image))
    layer.replace({0: [block(0, 0.9), block(5, 0.4)], 2: [block(10, 0.6, frame=2)]})
    return layer


def test_the_layer_lies_on_the_image_and_knows_the_scores(viewer, found):
    layer = viewer.layers["cells found"]
    assert tuple(layer.scale) == PLACE["scale"] and tuple(layer.translate) == PLACE["translate"]
    assert layer.data[0, 1, 6] == 1 and layer.data[0, 6, 6] == 2 and layer.data[2, 11, 6] == 3
    assert not np.asarray(layer.data[1]).any()
    assert layer.features["score"].tolist() == [0.9, 0.4, 0.6]
    assert layer.features["frame"].tolist() == [0, 0, 2]


def test_what_is_hidden_comes_back(viewer, found):
    layer = viewer.layers["cells found"]
    found.set_least(0.5, 0.0)
    assert set(np.unique(layer.data[0])) == {0, 1} and list(found.shown()) == [1, 3]
    found.set_least(0.95, 0.0)
    assert not np.asarray(layer.data).any() and found.shown() == {}
    found.set_least(0.0, 0.0)
    assert set(np.unique(layer.data)) == {0, 1, 2, 3} and list(found.shown(2)) == [3]


def test_likeness_counts_where_it_is_known(viewer, found):
    found.compare({1: 0.2, 2: 0.8})
    found.set_least(0.0, 0.5)
    assert list(found.shown()) == [2, 3]  # 3 was not compared
    assert viewer.layers["cells found"].features["likeness"].tolist()[:2] == [0.2, 0.8]


def test_looking_again_replaces_that_frame_alone(viewer, found):
    found.replace({0: [block(15, 0.7)]})
    layer = viewer.layers["cells found"]
    assert set(np.unique(layer.data[0])) == {0, 4}  # labels are never used twice
    assert layer.data[2, 11, 6] == 3
    found.remove([4])
    assert not np.asarray(layer.data[0]).any() and list(found.objects) == [3]


def test_what_is_painted_is_an_object(viewer, found):
    layer = viewer.layers["cells found"]
    layer.data[1, 0:4, 0:4] = 9
    assert found.objects[9].score == 1.0 and found.objects[9].mask.area == 16
    layer.data[0, 19, 29] = 1
    assert found.objects[1].mask.area == 13
