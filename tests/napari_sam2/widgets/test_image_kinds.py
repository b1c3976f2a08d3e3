"""Every kind of image as a layer: a click lands on its pixel, the labels fit the image."""

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.napari_sam2.image_kinds import CELL_YX, KINDS

from napari_sam2.widgets.annotator import Annotator

# napari has rows and columns (and colours) last
ORDERED = [
    kind for kind in KINDS if kind.axes.removesuffix("S").endswith("YX") and kind.axes[0] != "S"
]
SCALES = {"T": 1.0, "Z": 3.0, "C": 1.0, "Y": 0.5, "X": 0.25}


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    yield viewer
    viewer.layers.clear()


@pytest.fixture
def annotator(viewer, stub_owner):
    annotator = Annotator(viewer, stub_owner)
    yield annotator
    annotator.close()


@pytest.mark.parametrize("kind", ORDERED, ids=str)
def test_through_the_widget(kind, viewer, annotator, stub_owner, qtbot):
    axes = kind.axes.rstrip("S")
    rgb = kind.axes.endswith("S")
    angle = {"rotate": 30.0} if len(axes) == 2 else {}
    shear = {"shear": [0.2] * (len(axes) * (len(axes) - 1) // 2)}
    image = viewer.add_image(
        kind.array(),
        rgb=rgb,
        axis_labels=tuple(axes.lower()),
        scale=[SCALES[letter] for letter in axes],
        translate=[7.0 * (i + 1) for i in range(len(axes))],
        **angle,
        **shear,
    )
    annotator.choose_image(image)
    annotator.open(("stub", "cpu"))
    points = annotator.workspace.prompt_with_points()
    place = (*(1 for _ in axes[:-2]), *CELL_YX)  # the second entry of each other axis
    points.add(points.world_to_data(image.data_to_world(place)))
    labels = f"{annotator.workspace.objects.name(1)}"
    qtbot.waitUntil(lambda: labels in viewer.layers and viewer.layers[labels].data[place] == 1)
    layer = viewer.layers[labels]
    assert layer.data.shape == (image.data.shape[:-1] if rgb else image.data.shape)
    np.testing.assert_allclose(
        layer.data_to_world(np.array(place, float)), image.data_to_world(np.array(place, float))
    )
    frame = stub_owner.sessions[0].log[0][2]
    times = 1 if "T" in axes else 0
    assert frame == (times * 4 + 1 if kind.labels == "TZYX" else len(kind.labels) - 2)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.full((3, 40, 60), np.nan), "NaN"),
        (np.zeros((40, 60), complex), "real"),
    ],
)
def test_what_cannot_be_worked_on_is_told(viewer, qtbot, array, sentence):
    from napari_sam2.widgets.session_owner import SessionOwner

    annotator = Annotator(viewer, SessionOwner(load=lambda name, device: Model()))
    image = viewer.add_image(np.zeros(array.shape))
    image._data = array  # napari itself would choke on the thumbnail
    annotator.choose_image(image)
    with qtbot.waitSignal(annotator.failed) as failed:
        annotator.open(("stub", "cpu"))
    assert sentence in str(failed.args[0]) and "\n" not in str(failed.args[0])
    annotator.close()


class Model:
    """Stands for a network that is never asked."""

    device, dtype = "cpu", "float32"

    def __init__(self):
        from sam2_torch import CELLS_NANO

        self.config = CELLS_NANO
