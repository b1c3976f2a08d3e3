"""Every kind of image as a layer: a click lands on its pixel, the labels fit the image."""

import numpy as np
import pytest
import zarr
from stub_session import StubSession
from tests.napari_sam2.image_kinds import CELL_YX, KINDS

from napari_sam2.io.images import napari_reader
from napari_sam2.widgets import zarr_reader
from napari_sam2.widgets.annotator.annotator import Annotator
from napari_sam2.widgets.inference.session_owner import SessionOwner
from sam2_torch.inputs.frames import measure_contrast, sample_pixels

# napari has rows and columns (and colours) last
ORDERED = [
    kind for kind in KINDS if kind.axes.removesuffix("S").endswith("YX") and kind.axes[0] != "S"
]
SCALES = {"T": 1.0, "Z": 3.0, "C": 1.0, "Y": 0.5, "X": 0.25}


@pytest.fixture
def annotator(viewer, stub_owner):
    annotator = Annotator(viewer, stub_owner)
    yield annotator
    annotator.close()


@pytest.mark.parametrize("from_the_side", [False, True])
@pytest.mark.parametrize("kind", ORDERED, ids=str)
def test_through_the_widget(kind, from_the_side, viewer, annotator, stub_owner, qtbot):
    axes = kind.axes.rstrip("S")
    rgb = kind.axes.endswith("S")
    if from_the_side:  # napari does not show turned and sheared images so
        viewer.dims.ndim = len(axes)
        viewer.dims.order = (*range(1, len(axes)), 0)
    turn, n_pairs = np.eye(len(axes)), len(axes) * (len(axes) - 1) // 2
    if not from_the_side:
        turn[-2:, -2:] = [[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]]
    image = viewer.add_image(
        kind.array(),
        rgb=rgb,
        axis_labels=tuple(axes.lower()),
        scale=[SCALES[letter] for letter in axes],
        translate=[7.0 * (i + 1) for i in range(len(axes))],
        rotate=turn,
        shear=[0.0 if from_the_side else 0.2] * n_pairs,
    )
    assert len(ORDERED) >= 24
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


class Torn:
    """Lazy pixels that cannot be read: a file was cut off, or a share has gone."""

    shape, dtype, ndim, size = (3, 40, 60), np.dtype(np.uint16), 3, 7200

    def __getitem__(self, key):
        raise ValueError("movie.tif: page 0 cannot be read; it is truncated, copy it again")


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.full((3, 40, 60), np.nan), "NaN"),
        (np.full((40, 60), np.inf, np.float32), "NaN"),
        (np.zeros((40, 60), complex), "real"),
        (np.full((3, 40, 60), None), "real"),
        (np.full((3, 40, 60), "cell"), "real"),
        (np.zeros((3, 0, 60)), "at least one"),
        (np.zeros((0, 40, 60)), "at least one"),
        (Torn(), "truncated"),
    ],
    ids=["nan", "inf", "complex", "objects", "words", "no rows", "no frames", "torn"],
)
def test_what_cannot_be_worked_on_is_told_and_the_next_image_opens(viewer, qtbot, array, sentence):
    def session(model, frames):
        """Check as a session with a network does."""
        sample_pixels(frames, 0)
        measure_contrast(frames)
        return StubSession(model, frames)

    annotator = Annotator(viewer, SessionOwner(lambda *key: "stub", session))
    told = []
    annotator.failed.connect(told.append)
    image = viewer.add_image(np.zeros([max(n, 1) for n in array.shape]))
    image._data = array  # napari itself would choke on the thumbnail
    annotator.choose_image(image)
    annotator.open(("stub", "cpu"))
    qtbot.waitUntil(lambda: bool(told))
    qtbot.waitUntil(lambda: not annotator.worker.is_busy)
    assert all(sentence in str(error) and "\n" not in str(error) for error in told)
    image._data = np.zeros(array.shape)  # or it would be drawn
    annotator.choose_image(viewer.add_image(np.ones((3, 40, 60), np.uint8)))
    annotator.open()
    annotator.workspace.prompt_with_points().add((1, *CELL_YX))
    qtbot.waitUntil(lambda: bool(annotator.workspace.masklets.get(1, 1)))
    annotator.close()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("text.mp4", "expected a video"), ("line.zarr", "expected an image"), ("empty.zarr", "none")],
)
def test_files_that_are_none_are_said_in_a_sentence(tmp_path, name, sentence):
    (tmp_path / "text.mp4").write_text("this is no video")
    zarr.create_array(tmp_path / "line.zarr", data=np.zeros(9))
    zarr.create_group(tmp_path / "empty.zarr")
    before = sorted(tmp_path.rglob("*"))
    path = str(tmp_path / name)
    read = napari_reader.get_reader(path) or zarr_reader.get_reader(path)
    with pytest.raises(ValueError, match=sentence) as error:
        read(path)
    assert "\n" not in str(error.value) and sorted(tmp_path.rglob("*")) == before
