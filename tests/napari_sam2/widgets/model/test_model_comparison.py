"""*Compare models*: the models of this computer on the clicked objects of the shown frame."""

from types import SimpleNamespace

import numpy as np
import pytest

from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.tracked_movie import Tracked
from napari_sam2.widgets.dock.dock import Sam2Dock
from napari_sam2.widgets.model.model_comparison import CompareModelsJob, example_of
from sam2_torch import PointPrompt, VideoSession, load_sam2
from sam2_torch.masks import SparseMask

SHAPE = (60, 80)


def disc(cy, cx, radius=9):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (y - cy) ** 2 + (x - cx) ** 2 <= radius**2


@pytest.mark.parametrize(
    ("drawn", "expected", "is_correct"),
    [
        (DrawnPrompts(clicks=((30, 20, 1),)), [[30, 20]], False),
        (DrawnPrompts(clicks=((30, 20, 1), (35, 20, 0))), [[30, 20]], True),
        (DrawnPrompts(painted=SparseMask.from_dense(disc(30, 20))), [[30, 20]], True),
    ],
    ids=["clicked", "corrected", "painted"],
)
def test_corrected_objects_are_asked_for_by_one_click(drawn, expected, is_correct):
    mask = SparseMask.from_dense(disc(30, 20))
    example = example_of(drawn, mask)
    (prompt,) = example.prompts
    assert isinstance(prompt, PointPrompt)
    np.testing.assert_allclose(prompt.points_yx, expected, atol=1)
    assert (example.correct is not None) == is_correct


def test_all_models_of_this_computer_segment_the_examples(start, tmp_path, monkeypatch):
    path = tmp_path / "models.toml"
    path.write_text(f"[models.tiny]\npath = '{start}'\n")
    monkeypatch.setenv("NAPARI_SAM2_MODELS", str(path))
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path / "cache"))
    pixels = np.where(disc(30, 20) | disc(25, 60), 3000, 200).astype(np.uint16)
    session = VideoSession(load_sam2("cells_nano", "cpu"), pixels[None])
    truth = SparseMask.from_dense(disc(30, 20))
    corrected = DrawnPrompts(clicks=((30, 20, 1), (45, 20, 0)))
    clicked = DrawnPrompts(clicks=((25, 60, 1),))
    examples = {4: example_of(corrected, truth), 7: example_of(clicked, truth)}
    job = CompareModelsJob(lambda: pixels, examples)
    steps = list(job.run(SimpleNamespace(session=session)))
    assert steps == [(0, 2, "cells_nano"), (1, 2, "tiny")]
    (nano, found), (tiny, _) = job.titled
    assert nano.startswith("cells_nano: ") and float(nano[-4:]) > 0.7
    assert tiny.startswith("tiny: ") and ", IoU " in tiny
    assert set(found.masklets.object_ids) == {4, 7}
    assert found.masklets.get(7, 0).iou(SparseMask.from_dense(disc(25, 60))) > 0.7


@pytest.fixture
def dock(make_napari_viewer, stub_owner):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((3, *SHAPE), np.uint16), name="movie")
    viewer.dims.set_point(0, 0)
    widget = Sam2Dock(viewer, stub_owner)
    viewer.window.add_dock_widget(widget, name="SAM 2")
    return widget


def test_without_a_click_the_dock_asks_for_one(dock):
    notices = []
    dock.annotator.noticed.connect(notices.append)
    dock.model.compare.trigger()
    assert "click some first" in notices[-1]


@pytest.mark.parametrize("is_damaged", [False, True])
def test_the_dock_shows_the_masks_of_all_models(dock, qtbot, monkeypatch, is_damaged):
    dock.prompts.points.click()
    dock.annotator.viewer.layers["movie clicks"].add((0, 30, 20))
    masklets = dock.annotator.workspace.masklets
    qtbot.waitUntil(lambda: masklets.get(1, 0) is not None, timeout=60000)
    asked, failures = [], []
    dock.annotator.failed.connect(failures.append)

    def run(self, owner):
        yield 0, 1 + is_damaged, "cells_nano"
        asked.extend(self.examples)
        own = Masklets(1, SHAPE)
        own.set(1, 0, masklets.get(1, 0))
        self.titled.append(("cells_nano: 0.1 s", Tracked(own, axes="YX", movie=[self.pixels()])))
        if is_damaged:
            raise ValueError("the next model is damaged")

    monkeypatch.setattr(CompareModelsJob, "run", run)
    dock.model.compare.trigger()
    comparison = dock.chooser.comparison
    qtbot.waitUntil(lambda: comparison.picture is not None, timeout=60000)
    assert asked == [1] and "cells_nano: 0.1 s" in dock.model.status.text()
    assert comparison.picture.isVisible() and not dock.model.bar.isVisible()
    assert [str(error) for error in failures] == ["the next model is damaged"] * is_damaged
    comparison.picture.close()
